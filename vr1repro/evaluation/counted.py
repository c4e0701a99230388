"""Which attempt at a question counts under a protocol, and what its scorer is given."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from vr1repro.answers.paper_form import paper_answer
from vr1repro.benchmarks.rows import Row
from vr1repro.config.evaluation import Protocol
from vr1repro.core.attempts import attempt_of, last_attempts
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.records import Response
from vr1repro.evaluation.protocols import has_answer

# What says which response a row beside another file's is of.
IDENTITY = ("id", "attempt")


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


def response_rows(responses: Path, protocol: Protocol | None, beside: Sequence[Path] = ()) -> Iterator[tuple[int, Row]]:
    """Rows to grade with their numbers in the file, or, where a protocol chooses, one a question.

    Args:
        responses: JSONL of responses.
        protocol: Which protocol's reading; None takes every row as it stands.
        beside: Files of further keys, a row for each of these rows in their order: what an LLM's stages wrote.

    Raises:
        UserError: A file is unreadable, or one beside was made of other responses.
    """
    rows = (
        read_lines(responses)
        if protocol is None
        else enumerate((row.model_dump() for row in select(read(responses, Response), protocol)), 1)
    )
    for path in beside:
        rows = _with_keys(rows, path, responses)
    return rows


def _with_keys(rows: Iterator[tuple[int, Row]], path: Path, responses: Path) -> Iterator[tuple[int, Row]]:
    further = read_lines(path)
    for number, row in rows:
        line, keys = next(further, (0, {}))
        if any(keys.get(name) != row.get(name) for name in IDENTITY):
            raise UserError(
                f"{path}:{line}: is not of the response {row.get('id')!r}, attempt {row.get('attempt')}, of"
                f" {responses}; delete {path} and make it again"
            )
        yield number, {**row, **keys}
    if (left := next(further, None)) is not None:
        raise UserError(f"{path}:{left[0]}: has more rows than {responses}; delete it and make it again")
