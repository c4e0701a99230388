"""Reading what comes from outside: text and JSON under limits, each failure one message that names the place.

Every reader of files that somebody else may have written goes through here, or through `yaml_tree`, `archives` and
`parquet` beside it. What a file holds may be wrong in any way; a mistake of ours is no `UserError` and passes through.
"""

import json
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.limits import limits

# Strings of a JSON text, and the brackets outside of them. A string that never ends takes the rest of the text.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_OPENING, _CLOSING = "[{", "]}"


class NotReadable(ValueError):
    """A text that is no JSON, or past the limits; `line` is where, if that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@contextmanager
def explained_reading(path: Path) -> Iterator[None]:
    """Turn a file that cannot be read into one message that names it."""
    try:
        refuse_pipes(path)
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; correct the path or the rights") from None
    except ValueError as error:  # a NUL in the path; texts that are bad raise otherwise
        if "null" not in str(error):
            raise
        raise UserError(f"{str(path)!r}: cannot be read: the path holds a NUL; correct it") from None


def refuse_pipes(path: Path) -> None:
    """Refuse what is there and is neither a file nor a folder: a pipe that nobody writes to is read for ever.

    Raises:
        OSError: Nothing is there.
        UserError: It is a pipe, a socket or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UserError(f"{path}: is a pipe, a socket or a device; save it as a file and give that")


def text_of(path: Path) -> str:
    """The whole text of a UTF-8 file.

    Raises:
        UserError: It cannot be read or is not UTF-8.
    """
    with explained_reading(path):
        data = path.read_bytes()
    return decoded(data, str(path))


def decoded(data: bytes, where: str) -> str:
    """UTF-8 bytes as text.

    Raises:
        UserError: They are not UTF-8; the message names the first bad byte.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        place = where if re.search(r":\d+$", where) else f"{where}:{line}"
        raise UserError(f"{place}: not UTF-8 text: {error.reason} at byte {error.start}; save it as UTF-8") from None


def json_value(text: str) -> Any:
    """The value of a JSON text, under the limits. NaN and Infinity are kept, as numpy and pandas write them.

    Raises:
        NotReadable: Not JSON, nested too deep, an integer with too many digits, or a key that stands twice.
    """
    if text.startswith("\ufeff"):
        raise NotReadable("starts with a byte order mark; save it as UTF-8 without one")
    check_nesting(text)
    try:
        # A run of more digits than the limit holds one of these places; only then each integer is counted.
        suspect = any(map(str.isdigit, text[limits().digits :: limits().digits]))
        return (_COUNTING if suspect else _DECODER).decode(text)
    except json.JSONDecodeError as error:
        raise NotReadable(f"not JSON: {error.msg} at column {error.colno}", error.lineno) from None


def json_part(text: str, place: int) -> tuple[Any, int]:
    """The value that begins at a place of a JSON text, and where it ends; `check_nesting` of the text is the caller's.

    Raises:
        NotReadable: An integer has too many digits, or a key stands twice.
        json.JSONDecodeError: No JSON begins there; it knows line and column.
    """
    return _COUNTING.raw_decode(text, place)


def json_file(path: Path) -> Any:
    """The value of a JSON file, under the limits.

    Raises:
        UserError: The file is missing, not JSON, or past a limit; the message names file and line.
    """
    try:
        return json_value(text_of(path))
    except NotReadable as error:
        where = str(path) if error.line is None else f"{path}:{error.line}"
        raise UserError(f"{where}: {error}") from None


def json_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file, under the limits.

    Raises:
        UserError: As `json_file`, or it holds something else.
    """
    values = json_file(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: must be one JSON object, this is {type(values).__name__}; make the file again")
    return values


def json_cell(text: str, where: str) -> Any:
    """The value of a JSON text that stands at a place in a file.

    Args:
        where: File, and line or key, for messages.

    Raises:
        UserError: It is not JSON or past a limit; the message begins with the place.
    """
    try:
        return json_value(text)
    except NotReadable as error:
        raise UserError(f"{where}: {error}") from None


def check_nesting(text: str) -> None:
    """Refuse a JSON text that is nested deeper than the limit.

    Raises:
        NotReadable: It is.
    """
    for start, _, depth in brackets(text):
        if depth > limits().nesting:
            line = text.count("\n", 0, start) + 1
            raise NotReadable(f"nested deeper than {limits().nesting} levels; nothing we read is", line)


def without_deep(text: str) -> tuple[str, bool]:
    """A JSON text with null in place of all that is nested deeper than the limit, and whether there was any."""
    parts, kept, start = [], 0, None
    for place, sign, depth in brackets(text):
        if sign in _OPENING and depth == limits().nesting + 1 and start is None:
            start = place
        elif sign in _CLOSING and depth == limits().nesting and start is not None:
            parts += [text[kept:start], "null"]
            kept, start = place + 1, None
    return ("".join([*parts, text[kept:]]), True) if parts else (text, False)


def brackets(text: str) -> Iterator[tuple[int, str, int]]:
    """Place, sign and level of each bracket of a JSON text outside its strings; none where it cannot be deep.

    The level of an opening bracket is the one it opens, of a closing bracket the one it goes back to.
    """
    if text.count("[") + text.count("{") <= limits().nesting:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        else:
            continue
        yield token.start(), sign, depth


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise NotReadable(f"the key {twice[:100]!r} stands twice; keep one")
    return values


def _integer(digits: str) -> int:
    if len(digits) > limits().digits:
        raise NotReadable(f"an integer of {len(digits.lstrip('-'))} digits, the limit is {limits().digits}")
    return int(digits)


# Made once: `json.loads` with a hook makes a decoder for every text.
_DECODER = json.JSONDecoder(object_pairs_hook=_once)
_COUNTING = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer)
