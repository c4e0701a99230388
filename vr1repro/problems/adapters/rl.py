"""RL sets in the columns of hiyouga/geometry3k (images, problem, answer), which EasyR1 trains on."""

from vr1repro.core.images import ImageStore, encoded
from vr1repro.core.records import Problem
from vr1repro.core.rows import Row, gold, text
from vr1repro.problems.conversations import without_placeholder
from vr1repro.problems.schema import Schema


def adapt(row: Row, number: int, images: ImageStore | None) -> Problem:
    """A problem; its id is the row's number where it has none."""
    return Problem(
        id=str(row["id"]) if row.get("id") is not None else str(number),
        source="rl",
        question=without_placeholder(text(row, "problem")),
        answer=gold(row, "answer"),
        image=encoded(row.get("images"), images),
        metadata={key: row[key] for key in ("data_source", "source", "subject") if isinstance(row.get(key), str)},
    )


# With `messages` it is a conversation, which Mulberry's adapter reads.
SCHEMA = Schema(
    columns=(frozenset({"images", "problem", "answer"}),),
    adapt=adapt,
    without=frozenset({"messages"}),
    position=1,
)
