"""What bridging writes, and what merging and the report read."""

from pydantic import BaseModel

from vr1repro.core.records import Outcome, Record

STEPS = ("pseudo_cot", "description", "chain")
ABLATION = "ablation.jsonl"
PLAIN_STEPS = ("plain_description", "plain_chain")  # without Pseudo-CoT, for `ablation`
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


class Both(Record):
    """A problem's two descriptions and what the reasoner made of each; what a shard writes.

    Attributes:
        gold: Its answer.
        choices: Its choices, if any.
        description, reply: With Pseudo-CoT.
        plain_description, plain_reply: Without; empty where the model refused.
    """

    id: str
    source: str
    gold: str
    choices: list[str] | None
    description: str
    reply: str
    plain_description: str
    plain_reply: str


class Side(BaseModel):
    """One description and its outcome.

    Attributes:
        words: Of the description.
        answer: The reasoner's final answer.
        outcome: Against the gold answer.
    """

    words: int
    answer: str | None
    outcome: Outcome


class Compared(Record):
    """A problem with the outcomes of both its descriptions; the rows of `coldset/ablation.jsonl`."""

    id: str
    source: str
    with_pseudo_cot: Side
    without: Side
