"""Rows of an xlsx file: the first sheet, its first row as header, read row by row with openpyxl.

Traps that are kept in mind: a text that begins with `=` is a text here, not a formula's result; control characters are
written as `_x000D_`; pandas cuts a text at the 32767 characters that a cell holds.
"""

import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

from vr1repro.core.errors import BadResponses, UserError

# What a sheet may take before it is opened: a file of a few bytes can hold gigabytes.
MOST_BYTES = 2**30
MOST_COLUMNS = 1024
CELL_LIMIT = 32767
# What zip, XML and openpyxl make of a file that is damaged, encrypted or something else; its own is an Exception alone.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError, RuntimeError, SyntaxError, TypeError, ValueError)


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows under the header with their numbers; an empty cell is an empty text, a row of empty cells is left out.

    Raises:
        BadResponses: It is no such file, is too large, or a cell holds an error.
        UserError: openpyxl is not installed.
    """
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise UserError(f"{path}: an xlsx file needs the package openpyxl; install it, or save as .tsv") from None
    _refuse_large(path)
    try:
        with path.open("rb") as stream:
            book = load_workbook(stream, read_only=True, data_only=False)
            if not book.worksheets:
                raise BadResponses(f"{path}: has no sheet")
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # what a file says of its size need not be true
            yield from _records(path, sheet.iter_rows(max_col=MOST_COLUMNS))
            book.close()
    except _UNREADABLE as error:
        raise BadResponses(f"{path}: not an xlsx file that can be read: {' '.join(str(error).split())}") from None


def _refuse_large(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise BadResponses(f"{path}: not an xlsx file that can be read: {error}") from None
    if size > MOST_BYTES:
        raise BadResponses(f"{path}: holds {size} bytes unpacked, at most {MOST_BYTES} are read; save it as .tsv")


def _records(path: Path, lines: Iterator[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    header: list[str] = []
    for number, cells in enumerate(lines, 1):
        values = [_value(path, number, cell) for cell in cells]
        while values and values[-1] == "":
            values.pop()
        if not values:
            continue
        if not header:
            header = [str(value) for value in values]
            if twice := [name for place, name in enumerate(header) if name and name in header[:place]]:
                raise BadResponses(f"{path}:{number}: the column {twice[0]!r} stands twice")
            continue
        if len(values) > len(header):
            raise BadResponses(f"{path}:{number}: {len(values)} cells in a sheet of {len(header)} columns")
        values += [""] * (len(header) - len(values))
        yield number, {name: value for name, value in zip(header, values, strict=True) if name}


def _value(path: Path, number: int, cell: Any) -> Any:
    from openpyxl.utils.escape import unescape

    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "e":
        raise BadResponses(f"{path}:{number}: a cell holds the error {value}; mend the sheet")
    if isinstance(value, date | time | timedelta):  # Excel makes one of `3/4`
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return value
    return unescape(value) if isinstance(value, str) else str(value)
