"""Rows of a file with their line numbers, whatever kind of file it is; the kind is told by the content.

A reader is a generator over `(line, row)`. Line numbers are those that an editor shows, a sheet's row numbers included.
"""

import csv
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vr1repro.core.errors import BadResponses, UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.outside import NotReadable, check_nesting, json_part, json_value, refuse_pipes
from vr1repro.evaluation.formats.table import KEY

Row = dict[str, Any]
Numbered = Iterator[tuple[int, Row]]

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# A long chain of thought is a cell of many lines; the module's own limit is 128 KiB.
_MOST_CHARACTERS = 64 * 2**20
_BLANK = " \t\r\n"


def container_of(path: Path) -> str:
    """The kind of a file by its first bytes: xlsx, jsonl, json, map, tsv or csv.

    Raises:
        BadResponses: It cannot be read, is empty, or is of no known kind.
    """
    try:
        refuse_pipes(path)
        with path.open("rb") as stream:
            head = stream.read(len(_ZIP))
            if head == _ZIP:
                return "xlsx"
            if head == _OLD_EXCEL:
                raise BadResponses(f"{path}: an Excel file of before 2007; save it as .xlsx, .tsv or .csv")
    except IsADirectoryError:
        raise BadResponses(f"{path}: is a folder; name the files of responses in it, or take `compare`") from None
    except OSError as error:
        raise BadResponses(f"{path}: cannot be read: {error.strerror}") from None
    with _text(path) as stream:
        line = next((line for line in _decoded(path, stream) if line.strip()), None)
    if line is None:
        raise BadResponses(f"{path}: is empty")
    if line.lstrip()[0] in "{[":
        return _json_container(path, line)
    if "\t" in line or "," in line:
        return "tsv" if "\t" in line else "csv"
    if ";" in line:
        raise BadResponses(f"{path}: its columns are set apart by semicolons; save it with commas or tabs")
    raise BadResponses(f"{path}: neither JSON nor a table: its first line has no comma and no tab")


def _json_container(path: Path, line: str) -> str:
    if line.lstrip().startswith("["):
        return "json"
    try:
        first = json_value(line)
    except ValueError:
        # An object of several lines; one that is torn in the first line of a JSONL file is named as what it is.
        return "jsonl" if path.suffix == ".jsonl" else _kind_of_object(path)
    whole = all(isinstance(value, dict) for value in first.values()) or isinstance(first.get("logs"), list)
    return _kind_of_object(path) if first and whole else "jsonl"


def _kind_of_object(path: Path) -> str:
    key, value, _ = next(_members(path, _whole_text(path)), ("", None, 0))
    return "map" if isinstance(value, dict) and key not in ("args", "model_configs") else "json"


def rows_of(path: Path, container: str) -> Numbered:
    """The rows of a file of a kind that `container_of` gave.

    Raises:
        BadResponses: A line is not what its kind asks for.
    """
    readers: dict[str, Callable[[Path], Numbered]] = {
        "jsonl": _jsonl, "json": _json_list, "map": _json_map, "csv": _table, "tsv": _table,
    }  # fmt: skip
    if container == "xlsx":  # loaded by name: no job reads one, and its library is heavy
        workbook = importlib.import_module("vr1repro.evaluation.formats.workbook")
        yield from workbook.rows(path)
        return
    yield from readers[container](path)


def _jsonl(path: Path) -> Numbered:
    try:
        yield from read_lines(path)
    except UserError as error:
        raise BadResponses(str(error)) from None
    except UnicodeDecodeError as error:
        raise BadResponses(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from None


def _json_list(path: Path) -> Numbered:
    text = _whole_text(path)
    start = text.lstrip(_BLANK)
    items = _items(path, text, len(text) - len(start)) if start.startswith("[") else _logs(path, text)
    for row, line in items:
        if not isinstance(row, dict):
            raise BadResponses(f"{path}:{line}: must be an object, this is {type(row).__name__}")
        yield line, row


def _logs(path: Path, text: str) -> Iterator[tuple[Any, int]]:
    """The rows of an older lmms-eval file: one object, whose `logs` hold them."""
    for key, value, line in _members(path, text):
        if key == "logs" and isinstance(value, list):
            yield from ((row, line) for row in value)
            return
    raise BadResponses(f"{path}: a JSON object that holds neither records by id nor `logs`")


def _json_map(path: Path) -> Numbered:
    for key, record, line in _members(path, _whole_text(path)):
        if not isinstance(record, dict):
            raise BadResponses(f"{path}:{line}: {key!r} must hold an object, this is {type(record).__name__}")
        yield line, {**record, KEY: key}


def _members(path: Path, text: str) -> Iterator[tuple[str, Any, int]]:
    """Key, value and line of each member of the object that a text holds; a key that stands twice comes twice."""
    place, lines = _past(text, 0), _LineCount(text)
    if text[place : place + 1] != "{":
        raise BadResponses(f"{path}:{lines.at(place)}: a JSON object must begin here")
    place = _past(text, place + 1)
    while text[place : place + 1] != "}":
        line = lines.at(place)
        key, place = _value(path, text, place, line)
        place = _past(text, place)
        if not isinstance(key, str) or text[place : place + 1] != ":":
            raise BadResponses(f"{path}:{line}: not JSON: a key and a colon must stand here")
        value, place = _value(path, text, _past(text, place + 1), line)
        yield key, value, line
        place = _next(path, text, place, "}", lines)
    _refuse_more(path, text, place + 1, lines)


def _items(path: Path, text: str, place: int) -> Iterator[tuple[Any, int]]:
    """Value and line of each item of the list that begins at a place."""
    lines = _LineCount(text)
    place = _past(text, place + 1)
    while text[place : place + 1] != "]":
        line = lines.at(place)
        value, place = _value(path, text, place, line)
        yield value, line
        place = _next(path, text, place, "]", lines)
    _refuse_more(path, text, place + 1, lines)


def _value(path: Path, text: str, place: int, line: int) -> tuple[Any, int]:
    """The value at a place, which is in a line, and where it ends."""
    try:
        return json_part(text, place)
    except json.JSONDecodeError as error:
        raise BadResponses(f"{path}:{error.lineno}: not JSON: {error.msg} at column {error.colno}") from None
    except NotReadable as error:
        raise BadResponses(f"{path}:{line}: {error}") from None


def _refuse_more(path: Path, text: str, place: int, lines: "_LineCount") -> None:
    if text[(place := _past(text, place)) :]:
        raise BadResponses(f"{path}:{lines.at(place)}: not JSON: more stands after its end")


def _next(path: Path, text: str, place: int, end: str, lines: "_LineCount") -> int:
    """The place of the next item, or of the end; what stands between is a comma."""
    place = _past(text, place)
    if text[place : place + 1] == end:
        return place
    if text[place : place + 1] != ",":
        raise BadResponses(f"{path}:{lines.at(place)}: not JSON: a comma or {end} must stand here")
    return _past(text, place + 1)


def _past(text: str, place: int) -> int:
    while place < len(text) and text[place] in _BLANK:
        place += 1
    return place


class _LineCount:
    """Line numbers of places in a text, which come in ascending order."""

    def __init__(self, text: str) -> None:
        self._text, self._line, self._place = text, 1, 0

    def at(self, place: int) -> int:
        self._line += self._text.count("\n", self._place, place)
        self._place = place
        return self._line


def _table(path: Path) -> Numbered:
    csv.field_size_limit(_MOST_CHARACTERS)
    with _text(path) as stream:
        header_line = next(line for line in _decoded(path, stream) if line.strip())
    with _text(path) as stream:
        reader = csv.reader(_decoded(path, stream), delimiter="\t" if "\t" in header_line else ",", strict=True)
        try:
            header = next((cells for cells in reader if cells), [])
            _refuse_repeated(path, reader.line_num, header)
            line = reader.line_num + 1
            for cells in reader:
                if cells:
                    if len(cells) != len(header):
                        raise BadResponses(f"{path}:{line}: {len(cells)} cells in a table of {len(header)} columns")
                    yield line, dict(zip(header, cells, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise BadResponses(f"{path}:{reader.line_num}: not a table: {error}") from None


def _refuse_repeated(path: Path, line: int, header: list[str]) -> None:
    if twice := [name for number, name in enumerate(header) if name in header[:number]]:
        raise BadResponses(f"{path}:{line}: the column {twice[0]!r} stands twice")


def _text(path: Path) -> Any:
    # A byte order mark, as Excel writes it, is no part of the first column's name.
    return path.open(encoding="utf-8-sig", newline="")


def _decoded(path: Path, stream: Any) -> Iterator[str]:
    try:
        yield from stream
    except UnicodeDecodeError as error:
        raise BadResponses(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from None


def _whole_text(path: Path) -> str:
    """The text of a JSON file, whose depth the decoder could not bear otherwise."""
    with _text(path) as stream:
        text = "".join(_decoded(path, stream))
    try:
        check_nesting(text)
    except NotReadable as error:
        raise BadResponses(f"{path}:{error.line}: {error}") from None
    return text
