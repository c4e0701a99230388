"""Which attempt at a question counts under a protocol, and what its scorer is given."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from vr1repro.answers.extract import paper_answer
from vr1repro.config.evaluation import Protocol
from vr1repro.core.attempts import attempt_of, last_attempts
from vr1repro.core.errors import UserError
from vr1repro.core.records import Response
from vr1repro.evaluation.protocols import has_answer


def stripped(reply: str) -> str:
    """A reply as the paper's evaluator hands it to its scorer: group 1 of the first match, else the whole reply."""
    answer = paper_answer(reply)
    return reply if answer is None else answer


def pick(attempts: list[Response], protocol: Protocol) -> Response:
    """The attempt that counts.

    Args:
        attempts: The attempts at one question, in any order, the first (0) among them.
        protocol: `single` takes attempt 0; `paper` the first that has `</answer>`, else the last.

    Raises:
        UserError: The first attempt is not there.
    """
    ordered = sorted(attempts, key=attempt_of)
    if not ordered or ordered[0].attempt != 0:
        identity = ordered[0].id if ordered else "?"
        raise UserError(f"question {identity}: its first attempt is not in the file; evaluate again")
    # What the protocol would have asked for: nothing after the first answer. Of that the last counts, as everywhere.
    last = next((row for row in ordered if protocol == "single" or has_answer(row.response)), ordered[-1]).attempt
    return last_attempts(row for row in ordered if row.attempt <= last)[ordered[0].id]


def select(rows: Iterable[Response], protocol: Protocol) -> Iterator[Response]:
    """One response a question and seed, in the file's order.

    For `paper` the row's `response` is what its scorer is given, and the whole reply stands in the extra key `reply`.

    Args:
        rows: A `responses.jsonl`: all attempts at a question under one seed stand together.
        protocol: Which protocol's reading.
    """
    for _, attempts in groupby(rows, key=lambda row: (row.id, row.model, row.train_seed, row.eval_seed)):
        row = pick(list(attempts), protocol)
        if protocol == "paper":
            row = Response.model_validate(
                {**row.model_dump(), "response": stripped(row.response), "reply": row.response, "protocol": "paper"}
            )
        yield row
