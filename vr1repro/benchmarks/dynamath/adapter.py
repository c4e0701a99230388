"""Rows of DynaMath as problems."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """DynaMath (DynaMath/DynaMath_Sample): a split a variant; a seed question has the same `id` in each.

    The row comes with `seed` and `variant`, see `Schema.numbered`. Options stand in the question's text.
    """
    return Problem(
        id=text(row, "id"),
        source="dynamath",
        question=text(row, "question"),
        answer=gold(row, "ground_truth"),
        image=encoded(row.get("decoded_image") or row.get("image"), images),
        metadata={key: row.get(key) for key in ("seed", "variant", "answer_type", "subject", "knowledge_level")},
    )
