"""Rows of MMStar as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MMStar (Lin-Chen/MMStar): options stand in the question's text, the gold is a letter."""
    meta = row.get("meta_info") or {}
    return Problem(
        id=text(row, "index"),
        source="mmstar",
        question=text(row, "question"),
        answer=gold(row, "answer"),
        image=encoded(row.get("image"), images),
        metadata={
            "category": row.get("category"),
            "l2_category": row.get("l2_category"),
            "bench": row.get("bench") or meta.get("source"),
        },
    )
