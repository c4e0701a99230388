"""Which attempt at a question counts, wherever responses or verdicts are read.

Protocol `paper` asks again (`evaluation.protocols`), so a file may hold several attempts at a question. The last one
counts, whatever the file's order; of two with one number the later row. A row that names no attempt is the first.
"""

from collections.abc import Hashable, Iterable
from typing import TypeVar

from vr1repro.core.records import Response, Verdict

Row = TypeVar("Row", Response, Verdict)


def attempt_of(row: Response | Verdict) -> int:
    """The number of a row's attempt, from 0; a grader that sees one response a question names none in its verdict."""
    number = row.attempt if isinstance(row, Response) else (row.model_extra or {}).get("attempt")
    return number if isinstance(number, int) else 0


def keep_last(kept: dict[Hashable, Row], key: Hashable, row: Row) -> Row | None:
    """Let a row count under its key unless a later attempt does; returns the one of both that counts no longer."""
    before = kept.get(key)
    if before is not None and attempt_of(before) > attempt_of(row):
        return row
    kept[key] = row
    return before


def last_attempts(rows: Iterable[Row]) -> dict[str, Row]:
    """The row that counts of each question, by id, in the order in which the questions come."""
    kept: dict[Hashable, Row] = {}
    for row in rows:
        keep_last(kept, row.id, row)
    return {str(key): row for key, row in kept.items()}
