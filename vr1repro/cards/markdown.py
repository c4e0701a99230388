"""Text that somebody else may have written, as Markdown that shows it and does nothing else."""

import re
from collections.abc import Iterable, Sequence

# What Markdown or the hub's HTML would act on. An underscore inside a word is none; HTML's signs become entities.
_SIGNS = re.compile(r"([\\`*\[\]|!#~])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escaped(value: object) -> str:
    r"""A value on one line, shown as it is.

    >>> escaped("a|b <script>\n# c")
    'a\\|b &lt;script&gt; \\# c'
    """
    line = " ".join(str(value).split())
    line = "".join(_ENTITIES.get(sign, sign) for sign in line)
    return _SIGNS.sub(r"\\\1", line)


def escaped_inside(value: object) -> object:
    """A JSON value with every text and key in it escaped."""
    if isinstance(value, dict):
        return {escaped(key): escaped_inside(item) for key, item in value.items()}
    if isinstance(value, list):
        return [escaped_inside(item) for item in value]
    return escaped(value) if isinstance(value, str) else value


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table; cells are escaped."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(map(escaped, row))} |" for row in rows)]


def command(*lines: str) -> list[str]:
    """A block of commands; a line feed in one of them stays inside its line."""
    return ["```", *(" ".join(line.split()) for line in lines), "```"]
