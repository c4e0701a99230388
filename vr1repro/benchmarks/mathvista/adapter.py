"""Rows of MathVista as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, choices, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MathVista (AI4Math/MathVista): `choices` are texts, the gold of a choice question is the choice's text."""
    keys = ("question_type", "answer_type", "unit", "precision")
    return Problem(
        id=text(row, "pid"),
        source="mathvista",
        question=text(row, "question"),
        answer=gold(row, "answer"),
        choices=choices(row.get("choices")),
        image=encoded(row.get("decoded_image") or row.get("image"), images),
        metadata={**dict(row.get("metadata") or {}), **{key: row.get(key) for key in keys}},
    )
