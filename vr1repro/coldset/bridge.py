"""Modality Bridging of one shard: Pseudo-CoT, description, chain (paper section 3.3.1, steps 2 to 4).

Deviations from the paper:

1. The Pseudo-CoT prompt is ours; the description prompt is the paper's up to its ellipsis (`prompts.py`).
2. Whether the reasoner sees the gold answer is a switch; the paper and its author disagree
   (`coldset.answer_in_reasoner_prompt`).
3. DeepSeek-R1 is asked under the name of its weights, those of January 2025, wherever the user serves them; where the
   paper's ran is not stated. What the server says that it is stands in the set's manifest (`served_models`).
4. The prompt of a description without Pseudo-CoT (v1 Fig. 3) is not stated; it is the other without its thinking
   process (`coldset.pseudo_cot`, `coldset.ablated`).
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress

from vr1repro.coldset import prompts
from vr1repro.coldset.bridge_model import BridgeModel
from vr1repro.coldset.ledger import LEDGER, Entry, Ledger, State, call, request_sha
from vr1repro.coldset.records import ABLATION, PLAIN_STEPS, STEPS, UNANSWERED, Both, Draft
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Problem, sha256
from vr1repro.engines.base import Completion, Request
from vr1repro.engines.budget import BudgetSpent
from vr1repro.problems.prompt import user_turn


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


def ablated(problems: Sequence[Problem], n: int, shards: int) -> list[Problem]:
    """A shard's part of `n` problems: those of smallest hash, so that no one picks them."""
    by_hash = sorted(problems, key=lambda problem: sha256(f"{problem.source}\n{problem.id}"))
    return by_hash[: -(-n // shards)]


def bridge(
    problems: Iterable[Problem],
    settings: ColdsetSettings,
    mllm: BridgeModel,
    reasoner: BridgeModel,
    seed: int,
    out: Path,
    progress: Progress,
) -> dict[str, object]:
    """Ask for Pseudo-CoT, description and chain of every problem, and write `drafts.jsonl`.

    For some problems also for description and chain without Pseudo-CoT, into `ablation.jsonl` (`coldset.ablated`).

    Args:
        settings: The data engine's settings.
        mllm: The multimodal model; it loads its weights at the first request that the ledger cannot answer.
        reasoner: The text-only model; likewise.
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
    plain = [_Case(each, user_turn(each), {}) for each in ablated(rows, settings.ablated, settings.shards)]
    reason_prompt = prompts.REASON_WITH_ANSWER if settings.answer_in_reasoner_prompt else prompts.REASON
    with Ledger(out / LEDGER) as ledger:
        mllm.attach(ledger, (*STEPS[:2], PLAIN_STEPS[0]))
        reasoner.attach(ledger, (STEPS[2], PLAIN_STEPS[1]))
        step = _Step(ledger, seed, progress)

        def pseudo_cot(case: _Case) -> str:
            return prompts.PSEUDO_COT.format(question=case.question, answer=case.problem.answer)

        def description(case: _Case) -> str:
            return prompts.DESCRIPTION.format(question=case.question, pseudo_cot=case.text("pseudo_cot"))

        def plain_description(case: _Case) -> str:
            return prompts.PLAIN_DESCRIPTION.format(question=case.question)

        def chain(case: _Case) -> str:
            description = case.text("description") or case.text("plain_description")
            return reason_prompt.format(description=description, question=case.question, answer=case.problem.answer)

        try:
            if settings.pseudo_cot:
                step.run("pseudo_cot", cases, pseudo_cot, mllm, with_image=True)
            described = description if settings.pseudo_cot else plain_description
            step.run("description", cases, described, mllm, with_image=True)
            step.run("chain", cases, chain, reasoner, with_image=False)
            step.run("plain_description", plain, plain_description, mllm, with_image=True)
            step.run("plain_chain", plain, chain, reasoner, with_image=False)
        except BudgetSpent as error:
            steps = len(STEPS) - (not settings.pseudo_cot)
            expected = [*((case, steps) for case in cases), *((case, len(PLAIN_STEPS)) for case in plain)]
            done = sum(len(case.entries) for case, _ in expected)
            left = sum(steps - len(case.entries) for case, steps in expected if case.rejected is None)
            raise UserError(
                f"{out}: budget: {error.spent}; {done} requests are answered and kept, {left} are left. Raise"
                " budget_tokens or budget_money under coldset.mllm or coldset.reasoner, and run again"
            ) from None
        unanswered = [case for case in (*cases, *plain) if case.rejected == UNANSWERED]
        if unanswered and not settings.drop_unanswered:
            raise UserError(
                f"{out}: {len(unanswered)} of {len(cases) + len(plain)} problems got no answer after all tries"
                f" ({_words(ledger.failures)}); the others are kept. Run again, or set coldset.drop_unanswered"
            )
        write_rows(out / "drafts.jsonl", (_draft(case) for case in cases))
        by_problem = {(case.problem.source, case.problem.id): case for case in cases}
        both = ((by_problem[case.problem.source, case.problem.id], case) for case in plain)
        write_rows(out / ABLATION, (_both(case, other) for case, other in both))
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


def _both(case: _Case, plain: _Case) -> Both:
    return Both(
        id=case.problem.id,
        source=case.problem.source,
        gold=case.problem.answer,
        choices=case.problem.choices,
        description=case.text("description"),
        reply=case.text("chain"),
        plain_description=plain.text("plain_description"),
        plain_reply=plain.text("plain_chain"),
    )


class _Step:
    """Sends one kind of request for all problems that got so far, through the ledger."""

    def __init__(self, ledger: Ledger, seed: int, progress: Progress) -> None:
        self._ledger, self._seed, self._progress = ledger, seed, progress
        self.answered = 0

    def run(
        self, name: str, cases: list[_Case], prompt: Callable[[_Case], str], model: BridgeModel, with_image: bool
    ) -> None:
        settings = model.settings
        going = [case for case in cases if case.rejected is None]
        task = self._progress.add_task(name, total=len(going))
        # Equal requests of several problems are sent once.
        requests: dict[str, Request] = {}
        waiting: dict[str, list[_Case]] = {}
        for case in going:
            text = prompt(case)
            sha = request_sha(name, text, case.problem.image_sha if with_image else None, settings, self._seed)
            entry = self._ledger.get(sha)
            if entry is not None:
                self._reach(name, case, sha, entry)
                continue
            waiting.setdefault(sha, []).append(case)
            if sha not in requests:
                images = (case.problem.image,) if with_image and case.problem.image is not None else ()
                seed = int(sha[:8], 16) ^ self._seed
                requests[sha] = Request(key=len(requests), text=text, images=images, seed=seed)
        self._progress.advance(task, len(going) - sum(map(len, waiting.values())))
        for sha, completion in model.complete(name, requests):
            waiters = waiting.pop(sha)
            entry = self._keep(name, waiters[0], sha, completion, model)
            for case in waiters:
                self._reach(name, case, sha, entry, completion.detail or None)
            words = f"{name} cost {self._ledger.cost:.2f}" if self._ledger.cost else name
            self._progress.update(task, advance=len(waiters), description=words)
        if waiting:
            raise UserError(f"step {name}: the model gave no completion to {len(waiting)} requests; run again")

    def _keep(self, step: str, case: _Case, sha: str, completion: Completion, model: BridgeModel) -> Entry | None:
        if completion.finish_reason == "failed":
            return None
        entry = Entry(
            request_sha=sha,
            step=step,
            id=case.problem.id,
            text=completion.text,
            n_tokens=completion.n_tokens,
            finish_reason=completion.finish_reason,
            attempt=max(self._ledger.sent[sha], 1),
            reason=completion.detail or None,
        )
        self._ledger.add(entry)
        figures = {
            "seconds": round(completion.seconds, 4),
            "n_prompt_tokens": completion.n_prompt_tokens,
            "n_tokens": completion.n_tokens,
            "cost": model.cost(completion),
            "reply_id": completion.reply_id,
            "served_model": completion.served_model,
        }
        self._ledger.note(call(sha, step, "reply", completion.tries, **figures))
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
