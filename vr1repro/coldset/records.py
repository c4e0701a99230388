"""What bridging writes and merging reads."""

from vr1repro.core.records import Record

STEPS = ("pseudo_cot", "description", "chain")
UNANSWERED = "unanswered"


class Draft(Record):
    """What bridging made of one problem, before filters and polish.

    `rejected` names why it got no chain; then `reply` is empty.
    """

    id: str
    source: str
    pseudo_cot: str
    description: str
    reply: str
    finished: bool
    rejected: str | None = None
