"""LLaVA-CoT-100k (Xkev/LLaVA-CoT-100k): id, image and a human-gpt conversation with <CONCLUSION>."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, text
from vr1repro.problems.conversations import final_answer, first_turn, without_placeholder
from vr1repro.problems.schema import Schema


def adapt(row: Row, _number: int, images: ImageStore | None) -> Problem:
    """A problem; the reply and the picture's path are in its metadata."""
    question, reply = first_turn(row, "from", "value", ("human", "user"))
    return Problem(
        id=text(row, "id"),
        source="llava-cot",
        question=without_placeholder(question),
        answer=final_answer(reply),
        image=encoded(row.get("image"), images),
        metadata={"reply": reply, "image_path": row["image"] if isinstance(row.get("image"), str) else None},
    )


SCHEMA = Schema(columns=(frozenset({"id", "image", "conversations"}),), adapt=adapt, position=2)
