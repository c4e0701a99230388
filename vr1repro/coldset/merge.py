"""Filter, polish and export: drafts of all shards become the cold-start set (paper section 3.3.1, steps 5 to 7)."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vr1repro.answers.completion import answer_only, completion
from vr1repro.answers.grade import Grader
from vr1repro.coldset.bridge import Draft
from vr1repro.coldset.filters import ANSWER_RULES, RULES, Candidate, rejections, split_reply
from vr1repro.coldset.polish import polish
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.errors import UserError
from vr1repro.records import Problem, Trace, read, write_atomically, write_problems, write_rows


def merge(
    problems: Iterable[Problem], drafts: Iterable[Path], settings: ColdsetSettings, out: Path, workers: int
) -> dict[str, Any]:
    """Build the cold-start set; the result does not depend on the number or order of shards.

    Args:
        problems: All problems of all sources.
        drafts: The shards' `drafts.jsonl`.
        settings: The data engine's settings.
        out: Folder for coldset.parquet (kept traces with their images), traces.jsonl (all, with the reason of each
            rejection) and yield.json.
        workers: Grading processes.

    Returns:
        The content of yield.json.

    Raises:
        UserError: A draft has no problem, or nothing was kept.
    """
    known = {(problem.source, problem.id): problem for problem in problems}
    rows = sorted((row for path in drafts for row in read(path, Draft)), key=lambda row: (row.source, row.id))
    polished: Counter[str] = Counter()
    candidates, found = [], []
    for row in rows:
        problem = known.get((row.source, row.id))
        if problem is None:
            raise UserError(f"drafts: problem {row.id!r} of {row.source!r} is not among the sources; bridge again")
        chain, answer = split_reply(row.reply)
        if settings.polish:
            chain, counts = polish(chain)
            polished.update(counts)
        found.append((problem, row))
        choices = tuple(problem.choices) if problem.choices else None
        candidates.append(Candidate(chain, answer, problem.answer, choices, row.finished))
    with Grader(workers=workers) as grader:
        reasons = list(rejections(candidates, settings, grader))

    traces, kept = [], []
    for (problem, row), candidate, reason in zip(found, candidates, reasons, strict=True):
        trace = Trace(
            id=problem.id,
            source=problem.source,
            image_sha=problem.image_sha,
            question=problem.question,
            answer=problem.answer,
            pseudo_cot=row.pseudo_cot,
            description=row.description,
            chain=candidate.chain,
            final_answer=candidate.final_answer,
            rejected=reason,
        )
        traces.append(trace)
        if reason is None:
            kept.append(_exported(problem, trace))
    if not kept:
        why = ", ".join(f"{name} {n}" for name, n in Counter(reasons).most_common())
        raise UserError(f"coldset: none of {len(rows)} traces was kept ({why}); look at the drafts under shards/")
    write_rows(out / "traces.jsonl", traces)
    write_problems(out / "coldset.parquet", kept)
    report = _yield(traces, polished)
    write_atomically(out / "yield.json", json.dumps(report, indent=2) + "\n")
    return report


def _exported(problem: Problem, trace: Trace) -> Problem:
    """A kept trace as a row of the set; the answer is the source's own, not the reasoner's wording of it."""
    texts = {
        "completion": completion(trace.chain, problem.answer),
        "answer_only": answer_only(problem.answer),
    }
    return problem.model_copy(update={"metadata": {**problem.metadata, **texts}})


def _yield(traces: list[Trace], polished: Counter[str]) -> dict[str, Any]:
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for trace in traces:
        by_source[trace.source][trace.rejected or "kept"] += 1
    rules = [*RULES, *ANSWER_RULES.values()]
    chains = [trace.chain for trace in traces if trace.rejected is None]
    return {
        "problems": len(traces),
        "kept": len(chains),
        "rejected": {rule: sum(counts[rule] for counts in by_source.values()) for rule in rules},
        "sources": {
            source: {"problems": counts.total(), "kept": counts["kept"]} for source, counts in sorted(by_source.items())
        },
        "polished": dict(sorted(polished.items())),
        "mean_words": round(sum(len(chain.split()) for chain in chains) / len(chains), 2),
    }
