"""Our own files, as `core.problem_files.write_problems` writes them."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.outside import json_value
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, choices, gold, text
from vr1repro.problems.schema import Schema


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """The problem that was written."""
    metadata = row.get("metadata") or {}
    return Problem(
        id=text(row, "id"),
        source=text(row, "source"),
        question=str(row.get("question") or ""),
        answer=gold(row, "answer"),
        choices=choices(row.get("choices")),
        image=encoded(row.get("image"), images),
        metadata=json_value(metadata) if isinstance(metadata, str) else dict(metadata),
    )


# Tried before the benchmarks, for it has the most telling columns.
SCHEMA = Schema(
    columns=(frozenset({"id", "source", "question", "answer", "image", "metadata"}),), adapt=adapt, position=-1
)
