"""Rows of the quiz as problems."""

from vr1repro.core.images import ImageStore
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text


def adapt(row: Row, _number: int, _images: ImageStore | None) -> Problem:
    """One row a question. Real ones would bring `image=encoded(row.get("picture"), images)`."""
    return Problem(id=text(row, "id"), source="quiz", question=text(row, "question"), answer=gold(row, "answer"))
