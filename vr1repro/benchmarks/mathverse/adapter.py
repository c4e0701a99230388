"""Rows of MathVerse as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MathVerse (AI4Math/MathVerse): one row a problem and version; Vision Only has an empty question."""
    keys = ("problem_index", "problem_version", "question_type", "question_for_eval")
    return Problem(
        id=text(row, "sample_index"),
        source="mathverse",
        question=str(row.get("question") or ""),
        answer=gold(row, "answer"),
        image=encoded(row.get("image"), images),
        metadata={**dict(row.get("metadata") or {}), **{key: row[key] for key in keys if key in row}},
    )
