"""What the page's overview says of a run: how each arm came out, against its start, and what is missing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import accuracy, average_weights, eval_folders, gain
from vr1repro.reporting.statistics.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Gain:
    """An arm against the arm that it starts from.

    Attributes:
        arm: The trained arm's label.
        start: The label of its start.
        estimate: Difference of mean accuracy in points, paired by question, with its interval over questions.
        low_seed: Smallest difference of a training seed.
        high_seed: Largest.
        seeds: Training seeds.
        unpaired: Questions that only one of the two answered.
    """

    arm: str
    start: str
    estimate: Estimate
    low_seed: float
    high_seed: float
    seeds: int
    unpaired: int


def start_of(results: Results, name: str) -> str | None:
    """The arm that another is compared with: where its stages start, or what it was tuned from; None for a model."""
    info = results.arms.get(name)
    if info is None:
        return None
    start = info.parent if info.stages else info.tuned_from
    return None if start == name else start


def gains(results: Results) -> list[Gain]:
    """Every evaluated arm with stages against its start, and CI against the base model."""
    found = []
    for name in results.evaluated:
        start = start_of(results, name)
        if start is None:
            continue
        after, before = results.final(name), results.final(start)
        shared = set(after["benchmark"]) & set(before["benchmark"])
        after, before = (rows[rows["benchmark"].isin(shared)] for rows in (after, before))
        if after.empty or before.empty:
            continue
        difference = gain(after, before, results.settings)
        by_seed = [_against(part, before, results) for _, part in after.groupby("train_seed")]
        found.append(
            Gain(
                arm=results.label(name),
                start=results.label(start),
                estimate=difference.estimate,
                low_seed=min(by_seed),
                high_seed=max(by_seed),
                seeds=len(by_seed),
                unpaired=difference.unpaired,
            )
        )
    return found


def _against(after: Any, before: Any, results: Results) -> float:
    """Difference of one training seed; the start of the same seed where there is one."""
    seed = after["train_seed"].iloc[0]
    same = before[before["train_seed"] == seed]
    start = same if len(same) else before
    scores = [accuracy(rows, results.settings, average_weights(rows)).value for rows in (after, start)]
    return scores[0] - scores[1]


@dataclass(frozen=True, kw_only=True)
class ArmSummary:
    """How one arm came out.

    Attributes:
        arm: Its key.
        label: Its name.
        accuracy: Mean accuracy over the benchmarks that it answered.
        seeds: The same of each training seed alone.
        tokens: Mean completion tokens.
        gain: Against the arm that it starts from, None for a start.
        start: That arm's key.
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
    against = {found.arm: found for found in gains(results)}
    found = []
    for name in results.evaluated:
        rows, label = results.final(name), results.label(name)
        weights = average_weights(rows)
        seeds = tuple(
            accuracy(part, results.settings, average_weights(part)).value for _, part in rows.groupby("train_seed")
        )
        mean = accuracy(rows, results.settings, weights)
        start = start_of(results, name)
        found.append(
            ArmSummary(
                arm=name,
                label=label,
                accuracy=mean,
                seeds=seeds,
                tokens=results.length(name),
                gain=against.get(label),
                start=start,
            )
        )
    return found


def reading(run: Path) -> dict[str, dict[str, Any]]:
    """How well each pretrained model reads its pictures, by model, from `models/<model>/reading.json`."""
    files = sorted((run / "models").glob("*/reading.json"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in files}


def coverage(results: Results) -> list[str]:
    """What is missing: selected arms that were not evaluated, and models that answered less than others did."""
    notes = [
        f"{info.label}: not evaluated" + (f"; {info.command}" if info.command else "")
        for name, info in results.arms.items()
        if info.selected and name not in results.evaluated
    ]
    sizes: dict[str, dict[str, int]] = {}
    for name in results.evaluated:
        for benchmark, rows in results.final(name).groupby("benchmark"):
            per_seed = rows.groupby(["train_seed", "eval_seed"])["id"].nunique()
            sizes.setdefault(str(benchmark), {})[name] = int(per_seed.min())
    for benchmark, found in sizes.items():
        full = max(found.values())
        notes += [
            f"{results.label(name)}: {n} of {full} questions of {benchmark}" for name, n in found.items() if n < full
        ]
        notes += [f"{results.label(name)}: no {benchmark}" for name in results.evaluated if name not in found]
    if results.headline.empty and any(True for _ in eval_folders(results.run)):
        notes.append(
            f"no verdicts of protocol {results.settings.protocol} and profile {results.settings.profile}; others exist"
        )
    return notes
