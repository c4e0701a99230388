"""The overview of a run: how each arm came out, against its start, and what is missing."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.core.outside import json_object
from vr1repro.reporting.claims.comparison import Comparison
from vr1repro.reporting.run.coverage import answered, partly_answered
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import (
    accuracy,
    average_weights,
    difference_bounds,
    eval_folders,
    gain,
    graded,
    open_shares,
)
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import fixed

# The numbers that the abstract and the README are quoted for, by their ids.
HEADLINES = (
    "v1-v4.abstract.vision-r1-7b.average-over-math-benchmarks.improvement-pct-approx",
    "v4.table-1.vision-r1-7b.mathvista.all.accuracy-pct",
    "v1-v4.abstract.vision-r1-7b.mathvista.gap-to-openai-o1.pp",
    "v4.sec-4-1.vision-r1-7b.mathvista-geo-alg-gps.average-vs-base.improvement-pct-over",
    "v4.sec-4-1.vision-r1-7b.mathverse.in-table-1.rank",
    "v4.sec-4-1.vision-r1-7b.mm-math.in-table-1.rank",
)


def headlines(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons of the numbers that everybody quotes, those that there are, in the order of `HEADLINES`."""
    by_id = {row.published.id: row for row in comparisons}
    return [by_id[key] for key in HEADLINES if key in by_id]


@dataclass(frozen=True, kw_only=True)
class Gain:
    """An arm against the arm that it starts from.

    Attributes:
        start: The label of its start.
        estimate: Difference of mean accuracy in points, paired by question, with its interval over questions.
        low_seed: Smallest difference of a training seed.
        unpaired: Questions that only one of the two answered.
        bounds: Where the difference may lie, if the scorer could read the two unequally well; else None.
    """

    start: str
    estimate: Estimate
    low_seed: float
    high_seed: float
    seeds: int
    unpaired: int
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """How one arm came out.

    Attributes:
        accuracy: Mean accuracy over the benchmarks that it answered.
        seeds: The same of each training seed alone.
        gain: Against the arm that it starts from, None for a start.
    """

    arm: str
    label: str
    accuracy: Estimate
    seeds: tuple[float, ...]
    tokens: Estimate | None
    gain: Gain | None
    start: str | None


def arm_summaries(results: Results) -> list[ArmSummary]:
    """Every evaluated arm, in the config's order."""
    summaries = []
    for name in results.evaluated:
        rows, start = results.final(name), _start_of(results, name)
        if not results.has_headline(rows):
            continue
        summaries.append(
            ArmSummary(
                arm=name,
                label=results.label(name),
                accuracy=_mean_accuracy(rows, results),
                seeds=tuple(_mean_accuracy(part, results).value for _, part in rows.groupby("train_seed")),
                tokens=results.length(name),
                gain=_gain(results, name, start) if start else None,
                start=start,
            )
        )
    return summaries


def _start_of(results: Results, name: str) -> str | None:
    """The arm that another is compared with: where its stages start, or what it was tuned from; None for a model."""
    info = results.arms.get(name)
    if info is None:
        return None
    start = info.parent if info.stages else info.tuned_from
    return None if start == name else start


def _gain(results: Results, name: str, start: str) -> Gain | None:
    after, before = results.final(name), results.final(start)
    shared = set(after["benchmark"]) & set(before["benchmark"])
    after, before = (rows[rows["benchmark"].isin(shared)] for rows in (after, before))
    sides = graded(after), graded(before)
    if any(side.empty for side in sides):
        return None
    difference = gain(after, before, results.settings)
    by_seed = [_gain_of_seed(part, before, results) for _, part in after.groupby("train_seed")]
    return Gain(
        start=results.label(start),
        estimate=difference.estimate,
        low_seed=min(by_seed),
        high_seed=max(by_seed),
        seeds=len(by_seed),
        unpaired=difference.unpaired,
        bounds=difference_bounds(after, before, results.settings),
    )


def _gain_of_seed(after: pd.DataFrame, before: pd.DataFrame, results: Results) -> float:
    """Difference of one training seed; the start of the same seed where there is one."""
    same = before[before["train_seed"] == after["train_seed"].iloc[0]]
    start = same if len(same) else before
    return _mean_accuracy(after, results).value - _mean_accuracy(start, results).value


def _mean_accuracy(rows: pd.DataFrame, results: Results) -> Estimate:
    return accuracy(rows, results.settings, average_weights(rows))


def reading(run: Path) -> dict[str, dict[str, Any]]:
    """How well each pretrained model reads its pictures, by model, from `models/<model>/reading.json`."""
    files = sorted((run / "models").glob("*/reading.json"))
    return {path.parent.name: json_object(path) for path in files}


def coverage(results: Results) -> list[str]:
    """What is missing or unchecked: arms, seeds, stages and steps, questions, and files that no manifest covers."""
    notes = [
        f"{info.label}: not evaluated" + (f"; {info.command}" if info.command else "")
        for name, info in results.arms.items()
        if info.selected and name not in results.evaluated
    ]
    for name in results.evaluated:
        rows = results.final(name)
        shares = open_shares(rows, average_weights(rows))
        if not results.has_headline(rows):
            notes.append(f"{results.label(name)}: no headline, {fixed(shares.ungraded, 1)} % without a verdict")
    notes += partly_answered(results)
    for benchmark, counts in answered(results).items():
        notes += [f"{results.label(name)}: no {benchmark}" for name in results.evaluated if name not in counts]
    if results.headline.empty and any(True for _ in eval_folders(results.run)):
        notes.append(
            f"no verdicts of protocol {results.settings.protocol} and profile {results.settings.profile}; others exist"
        )
    return [*notes, *results.notes]
