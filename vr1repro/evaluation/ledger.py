"""The responses of one model to one benchmark under one seed: what was earned, and the files it ends in."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from vr1repro.config.evaluation import Protocol
from vr1repro.core.jsonl import Appender, read, write_rows
from vr1repro.core.locks import Lock
from vr1repro.core.records import Response

RESPONSES, ASIDE, TIMING, RUN = "responses.jsonl", "responses.aside.jsonl", "timing.jsonl", "run.json"

# What a row answers: question, attempt, prompt, picture, sampling settings, weights.
Key = tuple[str, int, str, str | None, str | None, str | None]


def key(row: Response) -> Key:
    """What a row answers; an earned row counts only where all of it is the same."""
    return row.id, row.attempt, row.prompt_sha, row.image_sha, row.generation_sha, row.model_sha


class Ledger:
    """Response rows, earned once, held by one process until `close` or the end of `finish`. A context manager.

    Rows are appended to `responses.jsonl` of each protocol as they come, so a crash loses none. `finish` rewrites the
    files in the benchmark's order. Rows of other settings, or of questions that are not asked now, are moved to
    `responses.aside.jsonl` and used again when they fit.
    """

    def __init__(self, folders: dict[Protocol, Path]) -> None:
        """Hold the folders, so that no other process works there; `open` reads them.

        Args:
            folders: Folder of each protocol, `<benchmark>/<protocol>/e<seed>`.

        Raises:
            UserError: Another process holds one of them.
        """
        self.folders = folders
        self._rows: dict[Key, Response] = {}
        self._appenders: dict[Protocol, Appender] = {}
        self._timing: list[Appender] = []
        self._locks: list[Lock] = []
        for folder in folders.values():
            self._locks.append(Lock(folder / RESPONSES, "these responses"))

    def open(self) -> Self:
        """Read what was earned."""
        folders = self.folders
        for folder in folders.values():
            for name in (RESPONSES, ASIDE):
                path = folder / name
                if path.exists():
                    Appender(path).close()  # cuts a torn last line
                    for row in read(path, Response):
                        self._rows.setdefault(key(row), row)
        self._appenders = {protocol: Appender(folder / RESPONSES) for protocol, folder in folders.items()}
        self._timing = [Appender(folder / TIMING) for folder in folders.values()]
        return self

    def row_of(self, key: Key) -> Response | None:
        """The row that answers this very prompt, or None."""
        return self._rows.get(key)

    def add(self, row: Response, telemetry: dict[str, Any]) -> None:
        """Keep one earned row, and when and how long it took."""
        self._rows[key(row)] = row
        for protocol, appender in self._appenders.items():
            if _belongs(row, protocol):
                appender.append(_as(row, protocol))
        for timing in self._timing:
            timing.append({"id": row.id, "attempt": row.attempt, **telemetry})

    def close(self) -> None:
        """Sync and close the files without ordering them, and let other processes have them."""
        self._sync()
        self._rows.clear()
        for lock in self._locks:
            lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sync(self) -> None:
        for appender in (*self._appenders.values(), *self._timing):
            appender.close()
        self._appenders, self._timing = {}, []

    def finish(self, attempts: Sequence[Response]) -> Iterator[tuple[Protocol, list[Response]]]:
        """Write the files in order and close them.

        Args:
            attempts: The rows that count, in the benchmark's order, attempts at a question together.

        Yields:
            Each protocol and the rows of its file.
        """
        self._sync()
        counting = {key(row) for row in attempts}
        spare = sorted((row for name, row in self._rows.items() if name not in counting), key=_order)
        for protocol, folder in self.folders.items():
            rows = [_as(row, protocol) for row in attempts if _belongs(row, protocol)]
            aside = [_as(row, protocol) for row in spare if _belongs(row, protocol)]
            if aside:
                write_rows(folder / ASIDE, aside)
            write_rows(folder / RESPONSES, rows)
            if not aside:
                (folder / ASIDE).unlink(missing_ok=True)
            yield protocol, rows
        self.close()


def counts(rows: Iterable[Response]) -> dict[str, int]:
    """What a reader must know of a file of responses before its score.

    `truncated`: hit the token limit; `refused`: never asked; `unknown_tokens`, `grid_mismatches`: 0 in health.
    """
    counts = dict.fromkeys(
        ("questions", "responses", "truncated", "refused", "unknown_tokens", "grid_mismatches", "tokens"), 0
    )
    questions = set()
    for row in rows:
        extra = row.model_extra or {}
        questions.add(row.id)
        counts["responses"] += 1
        counts["truncated"] += row.finish_reason == "length"
        counts["refused"] += row.finish_reason == "refused"
        counts["unknown_tokens"] += extra.get("unknown_tokens") or 0
        counts["grid_mismatches"] += bool(extra.get("grid_mismatch"))
        counts["tokens"] += row.n_tokens or 0
    return {**counts, "questions": len(questions)}


def _belongs(row: Response, protocol: Protocol) -> bool:
    return protocol == "paper" or row.attempt == 0


def _as(row: Response, protocol: Protocol) -> Response:
    return row if row.protocol == protocol else row.model_copy(update={"protocol": protocol})


def _order(row: Response) -> tuple[str, ...]:
    return tuple(str(part) for part in key(row))
