"""The shard's ledger: what was asked, what came back, how far each problem got. All append-only.

- `ledger.jsonl`: one row an answered request. A request that it holds is never sent again.
- `problems.jsonl`: one row whenever a problem gets further or falls out; the last row of a step counts.
- `telemetry.jsonl`: every try with its time, tokens and cost, noted before it is sent, so that after a kill it is known
  how many were in flight. Nothing that decides the set is read from it.
"""

import time
from collections import Counter
from pathlib import Path
from typing import Self

from vr1repro.core.jsonl import Appender, read
from vr1repro.core.locks import Lock
from vr1repro.core.provenance import json_sha
from vr1repro.core.records import Record

LEDGER, PROBLEMS, TELEMETRY = "ledger.jsonl", "problems.jsonl", "telemetry.jsonl"


class Entry(Record):
    """One answered request.

    Attributes:
        request_sha: Hash of all that decides the reply: step, prompt, image, engine settings, seed.
        step: `pseudo_cot`, `description` or `chain`.
        id: The problem's id.
        text: The reply; reasoning that an endpoint gives in a field of its own stands in think tags before it.
        n_tokens: Completion tokens, where the engine says.
        finish_reason: `stop`, `length`, or `refused`: the engine will not answer this, however often it is asked.
        attempt: Which try was answered, counted over all runs.
        reason: Why it was refused.
    """

    request_sha: str
    step: str
    id: str
    text: str
    n_tokens: int | None = None
    finish_reason: str
    attempt: int = 1
    reason: str | None = None


class State(Record):
    """How far a problem got.

    Attributes:
        id, source: The problem's.
        step: `pseudo_cot`, `description` or `chain`.
        state: `answered`, `rejected` (it goes no further) or `unanswered` (every try failed; the next run asks again).
        reason: Why, where it was not answered.
        request_sha: That of the step's request, also where nothing answered it.
    """

    id: str
    source: str
    step: str
    state: str
    reason: str | None = None
    request_sha: str


class Call(Record):
    """One try of a request.

    Attributes:
        request_sha: As in `Entry`.
        what: `sent` before it is sent, `reply`, or the reason why the try failed.
        attempt: Number of the try in this run.
        at: Unix time.
        seconds: From the first try to the reply.
        n_prompt_tokens: As the endpoint counts them.
        n_tokens: Completion tokens.
        cost: In the currency of the config's prices.
        reply_id: The endpoint's id of the reply.
        served_model: The model that the endpoint says it was made by.
    """

    request_sha: str
    step: str
    what: str
    attempt: int
    at: float
    seconds: float | None = None
    n_prompt_tokens: int | None = None
    n_tokens: int | None = None
    cost: float | None = None
    reply_id: str | None = None
    served_model: str | None = None


class Ledger:
    """Requests and problems of one shard, held open by one process. Use as a context manager.

    Args:
        path: The shard's `ledger.jsonl`; the other files lie beside it.

    Raises:
        UserError: Another process holds the shard, or a file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self._lock = Lock(path, "this shard")
        files = path, path.with_name(PROBLEMS), path.with_name(TELEMETRY)
        self._answers, self._states, self._calls = (Appender(file) for file in files)  # which cut off torn last lines
        self._answered = {entry.request_sha: entry for entry in read(path, Entry)}
        self._reached = {(row.source, row.id, row.step): row for row in read(files[1], State)}
        self.sent, self.failures, self.reply_ids = Counter[str](), Counter[str](), set[str]()
        self.spent: dict[str, list[tuple[int | None, int | None]]] = {}
        self.cost = 0.0
        self.lost = 0
        self._read_calls(files[2])

    def _read_calls(self, path: Path) -> None:
        flying: set[tuple[str, int]] = set()
        for call in read(path, Call):
            self._count(call)
            key = (call.request_sha, call.attempt)
            if call.what == "sent":
                # The same try sent twice: the run of the first died with it in flight.
                self.lost += key in flying
                flying.add(key)
            else:
                flying.discard(key)
        self.lost += len(flying)

    def _count(self, call: Call) -> None:
        if call.what == "sent":
            self.sent[call.request_sha] += 1
        elif call.what == "reply":
            self.spent.setdefault(call.step, []).append((call.n_prompt_tokens, call.n_tokens))
            self.cost += call.cost or 0.0
            if call.reply_id:
                self.reply_ids.add(call.reply_id)
        else:
            self.failures[call.what] += 1

    def get(self, request_sha: str) -> Entry | None:
        """The answer to a request, if it was ever received."""
        return self._answered.get(request_sha)

    def add(self, entry: Entry) -> None:
        """Keep an answer, on disk first."""
        self._answers.append(entry)
        self._answered[entry.request_sha] = entry

    def note(self, call: Call) -> None:
        """Append a try to the telemetry, and count its tokens and cost."""
        self._calls.append(call)
        self._count(call)

    def reach(self, state: State) -> None:
        """Keep how far a problem got, unless that is known."""
        key = (state.source, state.id, state.step)
        if self._reached.get(key) != state:
            self._states.append(state)
            self._reached[key] = state

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for appender in (self._answers, self._states, self._calls):
            appender.close()
        self._lock.close()


def call(request_sha: str, step: str, what: str, attempt: int, **figures: object) -> Call:
    """A record of a try, stamped with the present time; `figures` are further fields."""
    return Call.model_validate(
        {"request_sha": request_sha, "step": step, "what": what, "attempt": attempt, "at": round(time.time(), 3)}
        | figures
    )


def request_sha(step: str, prompt: str, image_sha: str | None, engine: dict[str, object], seed: int) -> str:
    """Hash of all that decides a reply; what was answered under it is not asked again."""
    return json_sha([step, prompt, image_sha, engine, seed])
