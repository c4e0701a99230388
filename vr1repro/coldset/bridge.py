"""Modality Bridging of one shard: Pseudo-CoT, description, chain (paper section 3.3.1, steps 2 to 4).

Deviations from the paper:

1. The Pseudo-CoT prompt is ours; the description prompt is the paper's up to its ellipsis (`prompts.py`).
2. Whether the reasoner sees the gold answer is a switch; the paper and its author disagree
   (`coldset.answer_in_reasoner_prompt`).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.progress import Progress

from vr1repro.coldset import prompts
from vr1repro.coldset.ledger import Entry, Ledger, request_sha
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.problems.prompt import user_turn
from vr1repro.records import Problem, Record, write_rows


@dataclass(frozen=True)
class Ask:
    """What an engine is asked: text, perhaps an image, and a seed of its own."""

    key: str
    text: str
    image: bytes | None
    seed: int


@dataclass(frozen=True)
class Reply:
    """What an engine answered."""

    key: str
    text: str
    n_tokens: int | None
    finish_reason: str


class Engine(Protocol):
    """Answers requests; replies may come in any order. Weights are loaded at the first request, not before."""

    @property
    def settings(self) -> dict[str, object]:
        """All that decides a reply beside the request; part of the request's hash."""
        ...

    def reply(self, asks: Sequence[Ask]) -> Iterator[Reply]:
        """Answer all requests."""
        ...


class Draft(Record):
    """What bridging made of one problem, before filters and polish."""

    id: str
    source: str
    pseudo_cot: str
    description: str
    reply: str
    finished: bool


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
) -> int:
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
        Requests that were sent; those that the ledger answered are not counted.
    """
    rows = sorted(problems, key=lambda problem: (problem.source, problem.id))
    reason_prompt = prompts.REASON_WITH_ANSWER if settings.answer_in_reasoner_prompt else prompts.REASON
    with Ledger(out / "ledger.jsonl") as ledger:
        step = _Step(ledger, seed, progress)
        questions = [user_turn(problem) for problem in rows]
        asked = [
            prompts.PSEUDO_COT.format(question=question, answer=problem.answer)
            for question, problem in zip(questions, rows, strict=True)
        ]
        pseudo_cots = step.run("pseudo_cot", rows, asked, mllm, with_image=True)
        asked = [
            prompts.DESCRIPTION.format(question=question, pseudo_cot=entry.text)
            for question, entry in zip(questions, pseudo_cots, strict=True)
        ]
        descriptions = step.run("description", rows, asked, mllm, with_image=True)
        asked = [
            reason_prompt.format(description=entry.text, question=question, answer=problem.answer)
            for question, entry, problem in zip(questions, descriptions, rows, strict=True)
        ]
        chains = step.run("chain", rows, asked, reasoner, with_image=False)
        drafts = (
            Draft(
                id=problem.id,
                source=problem.source,
                pseudo_cot=pseudo_cot.text,
                description=description.text,
                reply=chain.text,
                finished=chain.finish_reason == "stop",
            )
            for problem, pseudo_cot, description, chain in zip(rows, pseudo_cots, descriptions, chains, strict=True)
        )
        write_rows(out / "drafts.jsonl", drafts)
    return step.sent


class _Step:
    """Asks one kind of request for all problems, through the ledger."""

    def __init__(self, ledger: Ledger, seed: int, progress: Progress) -> None:
        self._ledger, self._seed, self._progress = ledger, seed, progress
        self.sent = 0

    def run(
        self, name: str, problems: list[Problem], texts: list[str], engine: Engine, with_image: bool
    ) -> list[Entry]:
        settings = engine.settings
        images = [problem.image if with_image else None for problem in problems]
        image_shas = [problem.image_sha if with_image else None for problem in problems]
        keys = [
            request_sha(name, text, image_sha, settings, self._seed)
            for text, image_sha in zip(texts, image_shas, strict=True)
        ]
        task = self._progress.add_task(name, total=len(problems))
        open_asks = {
            key: Ask(key, text, image, seed=int(key[:8], 16) ^ self._seed)
            for key, text, image in zip(keys, texts, images, strict=True)
            if self._ledger.get(key) is None
        }
        self._progress.advance(task, len(problems) - len(open_asks))
        ids = dict(zip(keys, (problem.id for problem in problems), strict=True))
        for reply in engine.reply(list(open_asks.values())):
            self._ledger.add(
                Entry(
                    request_sha=reply.key,
                    step=name,
                    id=ids[reply.key],
                    text=reply.text,
                    n_tokens=reply.n_tokens,
                    finish_reason=reply.finish_reason,
                )
            )
            self.sent += 1
            self._progress.advance(task)
        entries = [self._ledger.get(key) for key in keys]
        return [entry for entry in entries if entry is not None]
