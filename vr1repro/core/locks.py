"""One process at a time on what earns its rows one by one."""

import fcntl
from pathlib import Path
from typing import IO, Self

from vr1repro.core.errors import UserError


class Lock:
    """A file that one process holds, until it lets go or ends, however it ends. Use as a context manager, or `close`.

    Args:
        path: What is locked; the lock lies beside it, with the suffix `.lock`.
        what: What it is, for the message.

    Raises:
        UserError: Another process holds it.
    """

    def __init__(self, path: Path, what: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[str] = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.close()
            raise UserError(f"{path}: another process is working on {what}; wait for it or end it") from None

    def close(self) -> None:
        """Let another process have it."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
