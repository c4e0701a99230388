"""Rows of MME as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """MME (lmms-lab/MME): two rows a `question_id`, which names the picture. A row comes with an `id` of its own."""
    return Problem(
        id=text(row, "id"),
        source="mme",
        question=text(row, "question"),
        answer=gold(row, "answer"),
        image=encoded(row.get("image"), images),
        metadata={"category": row.get("category"), "question_id": row.get("question_id")},
    )
