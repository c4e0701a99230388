"""The shard's ledger: one append-only row per answered request. A request that it holds is never sent again."""

import fcntl
from pathlib import Path
from typing import IO, Self

from vr1repro.errors import UserError
from vr1repro.provenance import json_sha
from vr1repro.records import Appender, Record, read


class Entry(Record):
    """One answered request.

    Attributes:
        request_sha: Hash of all that decides the reply: step, prompt, image, engine settings, seed.
        step: `pseudo_cot`, `description` or `chain`.
        id: The problem's id.
        text: The reply; reasoning that an endpoint gives in a field of its own stands in think tags before it.
        n_tokens: Completion tokens, where the engine says.
        finish_reason: `stop` or `length`.
    """

    request_sha: str
    step: str
    id: str
    text: str
    n_tokens: int | None = None
    finish_reason: str


class Ledger:
    """Answered requests of one shard, held open by one process. Use as a context manager.

    Raises:
        UserError: Another process holds the shard.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{path}: another process is working on this shard; wait for it or end it") from None
        self._appender = Appender(path)  # first, as it cuts off a torn last line
        self._answered = {entry.request_sha: entry for entry in read(path, Entry)}

    def get(self, request_sha: str) -> Entry | None:
        """The answer to a request, if it was ever received."""
        return self._answered.get(request_sha)

    def add(self, entry: Entry) -> None:
        """Keep an answer, on disk first."""
        self._appender.append(entry)
        self._answered[entry.request_sha] = entry

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._appender.close()
        self._lock.close()


def request_sha(step: str, prompt: str, image_sha: str | None, engine: dict[str, object], seed: int) -> str:
    """Hash of a whole request."""
    return json_sha([step, prompt, image_sha, engine, seed])
