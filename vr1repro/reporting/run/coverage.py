"""How many of a benchmark's questions each model of a run answered."""

from collections.abc import Iterator

from vr1repro.benchmarks import lookup
from vr1repro.reporting.run.results import Results


def answered(results: Results) -> dict[str, dict[str, int]]:
    """Questions that each evaluated arm answered under every seed, by benchmark and arm."""
    counts: dict[str, dict[str, int]] = {}
    for arm in results.evaluated:
        for benchmark, rows in results.final(arm).groupby("benchmark"):
            per_seed = rows.groupby(["train_seed", "eval_seed"])["id"].nunique()
            counts.setdefault(str(benchmark), {})[arm] = int(per_seed.min())
    return counts


def partly_answered(results: Results) -> Iterator[str]:
    """A line for each arm and benchmark of which questions are without an answer.

    What is comparable with the paper is held against the whole benchmark; what is not, as micro's own questions are,
    against the arm that answered most.
    """
    for benchmark, counts in answered(results).items():
        facts = lookup.facts(benchmark)
        full = max(facts.n_questions if results.comparable else 0, *counts.values())
        for arm, n in counts.items():
            if n < full:
                yield f"{results.label(arm)}: {n} of {full} questions of {facts.title}"
