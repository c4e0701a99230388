"""JSONL: reading with line numbers, appending so that a crash loses no finished row."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ValidationError

from vr1repro.core.errors import UserError
from vr1repro.core.files import explained, whole_file
from vr1repro.core.outside import decoded, explained_reading, json_cell
from vr1repro.core.records import Record, dump_line

RecordT = TypeVar("RecordT", bound=Record)


def read(path: Path, kind: type[RecordT]) -> Iterator[RecordT]:
    """Read validated rows of a JSONL file.

    Yields:
        The rows in file order.

    Raises:
        UserError: The file is missing, or a line is not such a record; the message names file and line.
    """
    for number, values in read_lines(path):
        try:
            yield kind.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise UserError(f"{path}:{number}: not a {kind.__name__}: {key}: {first['msg']}") from None


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a JSONL file with their line numbers (from 1); blank lines are skipped.

    Raises:
        UserError: The file is missing, or a line is not a JSON object or past the limits (`core.limits`); the message
            names file and line.
    """
    with explained_reading(path):
        stream = path.open("rb")
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            values = json_cell(decoded(line, where), where)
            if not isinstance(values, dict):
                raise UserError(f"{path}:{number}: a row must be a JSON object, this is {type(values).__name__}")
            yield number, values


def count_rows(path: Path) -> int:
    """How many lines a file has; a last line without a newline counts."""
    lines, last = 0, b"\n"
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            lines, last = lines + block.count(b"\n"), block[-1:]
    return lines + (last != b"\n")


class Appender:
    """Append rows to a JSONL file so that a crash loses at most the row being written.

    Opening an existing file cuts off a last line without a newline (the mark of a crash). Each row is flushed to the
    operating system; `close` syncs to disk. Use as a context manager.

    Raises:
        UserError: Another writer has the file open, whose last row may be half written (disks of this machine; on
            others a ledger's `core.locks.Lock` alone tells).
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._stream = path.open("ab", buffering=0)
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise UserError(f"{path}: another process appends to it; wait for it or end it") from None
        except OSError:
            pass  # a disk without flock
        _cut_torn_tail(path)
        self._stream.seek(0, os.SEEK_END)

    def append(self, row: BaseModel | dict[str, Any]) -> int:
        """Write one row to the operating system.

        Returns:
            Its bytes.

        Raises:
            UserError: The disk is full or failing; the file holds all earlier rows and no part of this one.
        """
        line = memoryview((dump_line(row) + "\n").encode("ascii"))
        end = self._stream.tell()
        with explained(self._path):
            try:
                while line:
                    line = line[self._stream.write(line) or 0 :]
            except OSError:
                self._stream.truncate(end)
                raise
        return self._stream.tell() - end

    def close(self) -> None:
        """Sync to disk and close."""
        with explained(self._path):
            os.fsync(self._stream.fileno())
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _cut_torn_tail(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) == b"\n":
            return
        # Back to the last newline in steps, so that a long torn line does not pull the whole file into memory.
        end = stream.tell()
        while end > 0:
            start = max(0, end - 65536)
            stream.seek(start)
            newline = stream.read(end - start).rfind(b"\n")
            if newline >= 0:
                stream.truncate(start + newline + 1)
                return
            end = start
        stream.truncate(0)


def write_rows(path: Path, rows: Iterable[BaseModel | dict[str, Any]]) -> None:
    """Write a whole JSONL file, aside and renamed, one row at a time."""
    with whole_file(path) as stream:
        for row in rows:
            stream.write((dump_line(row) + "\n").encode("ascii"))
