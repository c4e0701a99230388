"""Mulberry-SFT (HuanjinYao/Mulberry-SFT): images and a user-assistant conversation with a conclusion."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row
from vr1repro.problems.conversations import final_answer, first_turn, without_placeholder
from vr1repro.problems.schema import Schema


def adapt(row: Row, number: int, images: ImageStore | None) -> Problem:
    """A problem with the reply in its metadata; its id is the row's number where it has none."""
    turns = row.get("conversations") or row.get("messages")
    question, reply = first_turn({"conversations": turns}, "role", "content", ("user", "human"))
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="mulberry",
        question=without_placeholder(question),
        answer=final_answer(reply),
        image=encoded(row.get("images"), images),
        metadata={"reply": reply},
    )


SCHEMA = Schema(
    columns=(frozenset({"images", "conversations"}), frozenset({"images", "messages"})), adapt=adapt, position=3
)
