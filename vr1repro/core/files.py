"""Writing files so that a reader finds all of one or none of it."""

import csv
import fcntl
import glob
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from vr1repro.core.errors import UserError


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a failure of the disk into one message that names the file."""
    try:
        yield
    except OSError as error:
        words = error.strerror or error
        if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
            words = error.args[0][0][-1]  # the first of the files that a folder's copy could not write
        raise UserError(
            f"{path}: cannot be written: {words}; what was finished is kept, free space and run again"
        ) from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file aside, piece by piece, and rename it at the end, so that a reader sees all of it or none.

    The file is on disk before it has its name, so that a power cut leaves the old one or the new one.

    Raises:
        UserError: The disk is full or failing; nothing is left aside then.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        aside, handle = _made_aside(path, _new_file)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                aside.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Make a folder aside and rename it at the end; an older one is replaced.

    Yields:
        The folder to fill.

    Raises:
        UserError: The disk is full or failing; nothing is left aside then.
    """
    with explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        aside, handle = _made_aside(folder, _new_folder)
        try:
            yield aside
            remove(folder)
            aside.replace(folder)
            _sync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        finally:
            os.close(handle)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _made_aside(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """A new file or folder beside a path and its handle, which holds a lock.

    Nobody else has its name: that is drawn at random, and made here or not at all, never through a link.
    """
    while True:
        aside = path.with_name(f"{_aside_prefix(path)}{secrets.token_hex(8)}.partial")
        handle = make(aside)
        with suppress(OSError):  # a disk without flock, or NFS for a folder: nothing is swept there
            fcntl.flock(handle, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), aside.lstat()):
                return aside, handle
        os.close(handle)  # swept away before it was locked


def _new_file(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def _new_folder(path: Path) -> int:
    path.mkdir()
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _aside_prefix(path: Path) -> str:
    return f".{path.name[:100]}."  # names may have 255 bytes


def _sweep(path: Path) -> None:
    """Remove what writers of this path left that were killed: those that live hold a lock."""
    for old in path.parent.glob(f"{glob.escape(_aside_prefix(path))}*.partial"):
        with suppress(OSError):
            handle = os.open(old, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(old)
            finally:
                os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Put a new name on disk; some network disks cannot, and say so."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
