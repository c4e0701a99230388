"""The protocols `single` and `paper`: the same first samples, read in two ways.

`paper` is what the paper's evaluator does (repo, vlmeval/api/gpt.py l.231-258 and vlmeval/inference.py l.115-128): a
reply without `</answer>` is asked for again, at most four times; the first reply that has it counts, else the last;
and the reply is replaced by group 1 of `<answer> Final Answer:(.*?) </answer>` where that matches. The paper does not
mention it. Which attempt counts, and what its scorer is given, is in `counted`, which sampling does not need.
"""

from typing import get_args

from vr1repro.answers.completion import ANSWER_CLOSE
from vr1repro.config.evaluation import Protocol
from vr1repro.core.errors import UserError

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


def named(name: str) -> Protocol:
    """The protocol of this name.

    Raises:
        UserError: There is none.
    """
    for protocol in PROTOCOLS:
        if name == protocol:
            return protocol
    raise UserError(f"protocol {name!r}: unknown; known: {', '.join(PROTOCOLS)}")


def has_answer(reply: str) -> bool:
    """Whether the paper's evaluator takes a reply without asking again."""
    return ANSWER_CLOSE in reply
