"""Sample responses for the page, chosen by hash so that no one picks the pretty ones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vr1repro.records import Verdict, read, sha256
from vr1repro.reporting.questions import read_questions
from vr1repro.reporting.results import Results
from vr1repro.reporting.scores import eval_folders, last_attempts

_LONGEST = 6000  # characters of a response on the page


@dataclass(frozen=True)
class Sample:
    """A response beside its question and verdict; `parts` is the response cut at its reflection words."""

    arm: str
    benchmark: str
    id: str
    question: str
    answer: str
    parts: tuple[tuple[str, bool], ...]
    extraction: str | None
    verdict: str
    n_tokens: int | None
    finish_reason: str | None
    cut: int


def mark_words(text: str, words: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Cut a text into pieces, each with whether it is one of the words (whole, in any case)."""
    if not words:
        return ((text, False),)
    pattern = "|".join(re.escape(word) for word in words)
    pieces = re.split(rf"((?<!\w)(?:{pattern})(?!\w))", text, flags=re.IGNORECASE)
    return tuple((piece, k % 2 == 1) for k, piece in enumerate(pieces) if piece)


def choose(results: Results) -> dict[str, list[Sample]]:
    """Samples of every arm's end, by arm: `settings.samples` questions of smallest id hash, over all benchmarks.

    The questions are the same for all arms where all answered them. One training and one evaluation seed, the first.
    """
    settings = results.settings
    seen: set[tuple[str, str]] = set()
    pools: dict[str, list[tuple[str, Sample]]] = {}
    questions = {}
    for folder in eval_folders(results.run):
        key = (folder.arm, folder.benchmark)
        if folder.step is not None or folder.protocol != settings.protocol or key in seen:
            continue
        verdicts = folder.path / "verdicts" / f"{settings.profile}.jsonl"
        if not verdicts.exists():
            continue
        seen.add(key)
        if folder.benchmark not in questions:
            source = results.run / "problems" / folder.benchmark
            questions[folder.benchmark] = read_questions(source, folder.benchmark).set_index("id")
        responses = last_attempts(folder.path / "responses.jsonl")
        order = sorted(responses, key=lambda name: sha256(f"{folder.benchmark}/{name}"))[: settings.samples]
        wanted, asked = set(order), questions[folder.benchmark]
        for verdict in read(verdicts, Verdict):
            if verdict.id not in wanted or verdict.id not in asked.index:
                continue
            response = responses[verdict.id]
            text = response.response[:_LONGEST]
            sample = Sample(
                folder.arm,
                folder.benchmark,
                verdict.id,
                str(asked.at[verdict.id, "question"]),
                str(asked.at[verdict.id, "answer"]),
                mark_words(text, settings.words),
                verdict.extraction,
                verdict.verdict.value,
                response.n_tokens,
                response.finish_reason,
                len(response.response) - len(text),
            )
            pools.setdefault(folder.arm, []).append((sha256(f"{folder.benchmark}/{verdict.id}"), sample))
    return {
        arm: [sample for _, sample in sorted(pool, key=lambda pair: pair[0])[: settings.samples]]
        for arm, pool in pools.items()
    }
