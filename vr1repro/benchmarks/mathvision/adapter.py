"""Rows of MathVision as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, choices, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MathVision (MathLLMs/MathVision): five options or none; options that are just A to E say nothing."""
    return Problem(
        id=text(row, "id"),
        source="mathvision",
        question=text(row, "question"),
        answer=gold(row, "answer"),
        choices=choices(row.get("options")),
        image=encoded(row.get("decoded_image") or row.get("image"), images),
        metadata={key: row.get(key) for key in ("level", "subject", "solution")},
    )
