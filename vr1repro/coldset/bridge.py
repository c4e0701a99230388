"""Modality Bridging of one shard: Pseudo-CoT, description, chain (paper section 3.3.1, steps 2 to 4).

Deviations from the paper:

1. The Pseudo-CoT prompt is ours; the description prompt is the paper's up to its ellipsis (`prompts.py`).
2. Whether the reasoner sees the gold answer is a switch; the paper and its author disagree
   (`coldset.answer_in_reasoner_prompt`).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.progress import Progress

from vr1repro.answers.grade import Pair
from vr1repro.coldset import prompts
from vr1repro.coldset.filters import split_reply
from vr1repro.coldset.ledger import LEDGER, Entry, Ledger, State, call, request_sha
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Outcome, Problem, Record
from vr1repro.engines.endpoint.pool import BudgetSpent
from vr1repro.problems.prompt import user_turn

STEPS = ("pseudo_cot", "description", "chain")
UNANSWERED = "unanswered"


@dataclass(frozen=True)
class Ask:
    """What an engine is asked: text, perhaps an image, and a seed of its own."""

    key: str
    text: str
    image: bytes | None
    seed: int


@dataclass(frozen=True)
class Reply:
    """What an engine answered.

    `finish_reason` is `stop` or `length`; `refused` where it never will; `failed` where the next run may ask again.
    """

    key: str
    text: str
    n_tokens: int | None
    finish_reason: str
    n_prompt_tokens: int | None = None
    attempt: int = 1
    seconds: float | None = None
    cost: float | None = None
    reply_id: str | None = None
    reason: str | None = None


class Engine(Protocol):
    """Answers requests; replies may come in any order. Weights are loaded at the first request, not before."""

    @property
    def settings(self) -> dict[str, object]:
        """All that decides a reply beside the request; part of the request's hash."""
        ...

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        """Told once which ledger notes its tries, and which steps, past ones included, are its own."""
        ...

    def reply(self, step: str, asks: Sequence[Ask]) -> Iterator[Reply]:
        """Answer all requests of a step."""
        ...


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


@dataclass
class _Case:
    """A problem on its way."""

    problem: Problem
    question: str
    entries: dict[str, Entry]
    rejected: str | None = None

    def text(self, step: str) -> str:
        return self.entries[step].text if step in self.entries else ""


def in_shard(problem: Problem, shard: int, shards: int) -> bool:
    """Whether a problem belongs to a shard (from 0); depends on the problem alone, not on the order of input."""
    digest = hashlib.sha256(f"{problem.source}\n{problem.id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards == shard


def bridge(
    problems: Iterable[Problem],
    settings: ColdsetSettings,
    mllm: Engine,
    reasoner: Engine,
    seed: int,
    out: Path,
    progress: Progress,
) -> dict[str, object]:
    """Ask for Pseudo-CoT, description and chain of every problem, and write `drafts.jsonl`.

    Args:
        problems: The shard's problems.
        settings: The data engine's settings.
        mllm: The multimodal engine; it loads its weights at the first request that the ledger cannot answer.
        reasoner: The text-only engine; likewise.
        seed: Data seed; each request derives its own.
        out: The shard's folder, with `ledger.jsonl` of earlier runs if any.
        progress: Where progress is shown.

    Returns:
        Counts: `answered` requests of this run, tries of all runs (`sent`), their failures by reason, those `lost` in
        flight by runs that were killed, and the cost.

    Raises:
        UserError: The shard is held by another process, a budget is spent, or requests stay unanswered.
    """
    rows = sorted(problems, key=lambda problem: (problem.source, problem.id))
    cases = [_Case(problem, user_turn(problem), {}) for problem in rows]
    reason_prompt = prompts.REASON_WITH_ANSWER if settings.answer_in_reasoner_prompt else prompts.REASON
    with Ledger(out / LEDGER) as ledger:
        mllm.attach(ledger, STEPS[:2])
        reasoner.attach(ledger, STEPS[2:])
        step = _Step(ledger, seed, progress)

        def pseudo_cot(case: _Case) -> str:
            return prompts.PSEUDO_COT.format(question=case.question, answer=case.problem.answer)

        def description(case: _Case) -> str:
            return prompts.DESCRIPTION.format(question=case.question, pseudo_cot=case.text("pseudo_cot"))

        def chain(case: _Case) -> str:
            return reason_prompt.format(
                description=case.text("description"), question=case.question, answer=case.problem.answer
            )

        try:
            step.run("pseudo_cot", cases, pseudo_cot, mllm, with_image=True)
            step.run("description", cases, description, mllm, with_image=True)
            step.run("chain", cases, chain, reasoner, with_image=False)
        except BudgetSpent as error:
            done = sum(len(case.entries) for case in cases)
            left = sum(len(STEPS) - len(case.entries) for case in cases if case.rejected is None)
            raise UserError(
                f"{out}: budget: {error.spent}; {done} requests are answered and kept, {left} are left. Raise"
                " budget_tokens or budget_money under coldset.mllm or coldset.reasoner, and run again"
            ) from None
        unanswered = [case for case in cases if case.rejected == UNANSWERED]
        if unanswered and not settings.drop_unanswered:
            raise UserError(
                f"{out}: {len(unanswered)} of {len(cases)} problems got no answer after all tries"
                f" ({_words(ledger.failures)}); the others are kept. Run again, or set coldset.drop_unanswered"
            )
        write_rows(out / "drafts.jsonl", (_draft(case) for case in cases))
        return {
            "answered": step.answered,
            "sent": ledger.sent.total(),
            "failed": dict(sorted(ledger.failures.items())),
            "lost": ledger.lost,
            "cost": round(ledger.cost, 6),
        }


def _words(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "no failure was noted"


def _draft(case: _Case) -> Draft:
    chain = case.entries.get("chain")
    return Draft(
        id=case.problem.id,
        source=case.problem.source,
        pseudo_cot=case.text("pseudo_cot"),
        description=case.text("description"),
        reply=case.text("chain"),
        finished=chain is not None and chain.finish_reason == "stop",
        rejected=case.rejected,
    )


class _Step:
    """Asks one kind of request for all problems that got so far, through the ledger."""

    def __init__(self, ledger: Ledger, seed: int, progress: Progress) -> None:
        self._ledger, self._seed, self._progress = ledger, seed, progress
        self.answered = 0

    def run(
        self, name: str, cases: list[_Case], prompt: Callable[[_Case], str], engine: Engine, with_image: bool
    ) -> None:
        settings = engine.settings
        going = [case for case in cases if case.rejected is None]
        task = self._progress.add_task(name, total=len(going))
        # Equal requests of several problems are asked once.
        open_asks: dict[str, Ask] = {}
        waiting: dict[str, list[_Case]] = {}
        agreeing = landed = 0
        for case in going:
            text = prompt(case)
            key = request_sha(name, text, case.problem.image_sha if with_image else None, settings, self._seed)
            entry = self._ledger.get(key)
            if entry is not None:
                self._reach(name, case, key, entry)
            else:
                waiting.setdefault(key, []).append(case)
                image = case.problem.image if with_image else None
                open_asks[key] = Ask(key, text, image, seed=int(key[:8], 16) ^ self._seed)
        self._progress.advance(task, len(going) - sum(map(len, waiting.values())))
        for reply in engine.reply(name, list(open_asks.values())):
            waiters = waiting.pop(reply.key)
            entry = self._keep(name, waiters[0], reply)
            for case in waiters:
                self._reach(name, case, reply.key, entry, reply.reason)
                agreeing += name == "chain" and _agrees(case)
            landed += len(waiters)
            words = [name, f"cost {self._ledger.cost:.2f}" if self._ledger.cost else ""]
            words.append(f"yield {agreeing / landed:.0%}" if name == "chain" else "")
            self._progress.update(task, advance=len(waiters), description=" ".join(filter(None, words)))
        if waiting:
            raise UserError(f"step {name}: the engine gave no reply to {len(waiting)} requests; run again")

    def _keep(self, step: str, case: _Case, reply: Reply) -> Entry | None:
        if reply.finish_reason == "failed":
            return None
        entry = Entry(
            request_sha=reply.key,
            step=step,
            id=case.problem.id,
            text=reply.text,
            n_tokens=reply.n_tokens,
            finish_reason=reply.finish_reason,
            attempt=max(self._ledger.sent[reply.key], 1),
            reason=reply.reason,
        )
        self._ledger.add(entry)
        figures = {
            "seconds": None if reply.seconds is None else round(reply.seconds, 4),
            "n_prompt_tokens": reply.n_prompt_tokens,
            "n_tokens": reply.n_tokens,
            "cost": reply.cost,
            "reply_id": reply.reply_id,
        }
        self._ledger.note(call(reply.key, step, "reply", reply.attempt, **figures))
        self.answered += 1
        return entry

    def _reach(self, step: str, case: _Case, key: str, entry: Entry | None, reason: str | None = None) -> None:
        state = "answered"
        if entry is None:
            state, case.rejected = UNANSWERED, UNANSWERED
        elif entry.finish_reason == "refused":
            state, case.rejected, reason = "rejected", f"refused-{step.replace('_', '-')}", entry.reason
        else:
            case.entries[step] = entry
        self._ledger.reach(
            State(
                id=case.problem.id, source=case.problem.source, step=step, state=state, reason=reason, request_sha=key
            )
        )


def _agrees(case: _Case) -> bool:
    """Whether the chain's answer is surely the gold one; what only the grader can tell counts as no."""
    problem = case.problem
    choices = tuple(problem.choices) if problem.choices else None
    return Pair(problem.answer, split_reply(case.text("chain"))[1], choices).work() is Outcome.RIGHT
