"""Writing files so that a reader finds all of one or none of it."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vr1repro.core.errors import UserError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into one message that names the file."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}; what was finished is kept, free space and run again"
        ) from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file aside, piece by piece, and rename it at the end, so that a reader sees all of it or none.

    Raises:
        UserError: The disk is full or failing; nothing is left aside then.
    """
    aside = path.with_name(f".{path.name}.partial")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as stream:
                yield stream
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file aside and rename it, so that a reader sees all of it or none."""
    with whole_file(path) as stream:
        stream.write(data if isinstance(data, bytes) else data.encode("utf-8"))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write rows as CSV; a value that is None or not there is an empty cell."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, stream.getvalue())
