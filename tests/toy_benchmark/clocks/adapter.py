"""Rows of clocks as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """One row a clock; several clocks may show one dial."""
    return Problem(
        id=text(row, "clock"),
        source="clocks",
        question=text(row, "question"),
        answer=gold(row, "answer"),
        image=encoded(row.get("picture"), images),
        metadata={"dial": row["dial"]},
    )
