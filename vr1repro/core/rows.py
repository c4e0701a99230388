"""What adapters share: reading columns, and refusing rows that are no problem."""

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

Row = Mapping[str, Any]
# Columns that hold the id of a question in the data sets in use.
ID_COLUMNS = ("id", "pid", "sample_index")


class BadRow(Exception):
    """A row that is no problem. `reason` is one of a few words that are counted."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def text(row: Row, key: str) -> str:
    """A column that must not be empty."""
    value = row.get(key)
    if value is None or value == "":
        raise BadRow("no_" + ("id" if key in ID_COLUMNS else key), f"column {key!r} is empty")
    return str(value)


def gold(row: Row, key: str) -> str:
    """The column of the gold answer, which must not be blank."""
    value = row.get(key)
    if value is None or not str(value).strip():
        raise BadRow("no_answer", f"column {key!r} is empty")
    return str(value)


def choices(value: Any) -> list[str] | None:
    """A list of choices as texts; None for no choices."""
    return [str(choice) for choice in value] if value is not None and len(value) else None


def lettered(choices: Sequence[str]) -> str:
    """Choices a line each, `(A) first`, as the official prompts of several benchmarks write them."""
    return "\n".join(f"({letter}) {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False))


def boxed(text: str) -> list[str]:
    r"""The contents of all outer `\boxed{...}` in order, braces matched: the gold of a solution in a data set.

    Data sets escape no brace and write no `\fbox`. A model does: its answer is read by `answers.extract.last_boxed`,
    and as MM-Math's official judge reads it, inner boxes too, by `benchmarks.mmmath.judge.boxes`.
    """
    contents = []
    start = text.find(r"\boxed{")
    while start >= 0:
        begin = start + len(r"\boxed{")
        depth, end = 1, begin
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if depth:
            break
        contents.append(text[begin : end - 1])
        start = text.find(r"\boxed{", end)
    return contents
