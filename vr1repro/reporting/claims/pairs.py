"""Every pair of arms on the same questions, and as recipes whose unit is the training seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import difference_bounds, gain_of_means, question_means
from vr1repro.reporting.run.scores_by_seed import scores_by_seed
from vr1repro.reporting.statistics import power as study
from vr1repro.reporting.statistics.paired import (
    PairedDifference,
    SeedDifference,
    difference_power,
    holm,
    seed_difference,
)

MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class ArmPair:
    """Two arms on one benchmark, or on the mean of all.

    Attributes:
        first: The arm that stands later in the config.
        benchmark: Its slug, or `mean` over those that both answered.
        margin: The declared margin, in points; what `power` is the power for.
        questions: These checkpoints on other questions: difference in points, interval, p values.
        holm: Its cluster-robust p value, adjusted for all pairs on this benchmark.
        power: Chance that this comparison would call a difference of the margin's size.
        detectable: Smallest difference that it calls with 80 percent.
        training: The recipes trained again: the unit is the training seed.
        training_holm: Its p value, adjusted; None with fewer than three seeds.
        training_power: As `power`, for the recipes.
        training_detectable: As `detectable`, for the recipes.
        bounds: Where the difference may lie, if the scorer could read the two unequally well; else None.
    """

    first: str
    second: str
    benchmark: str
    margin: float
    questions: PairedDifference
    holm: float | None
    power: float
    detectable: float
    training: SeedDifference
    training_holm: float | None
    training_power: float
    training_detectable: float
    bounds: tuple[float, float] | None

    def says(self, confidence: float) -> tuple[str, str]:
        """Whether these weights differ, and whether the recipes do, in words."""
        words = {True: "differ", False: "no difference shown"}
        alpha = 1 - confidence
        if self.bounds is not None:
            return "cannot tell: unequally readable", "cannot tell: unequally readable"
        weights = words[self.holm is not None and self.holm < alpha]
        if self.training_holm is None:
            return weights, f"cannot tell: {_seeds(self.training.seeds)}" if self.training.seeds else "not trained here"
        return weights, words[self.training_holm < alpha]


def _seeds(count: int) -> str:
    return f"{count} training seed{'s' * (count != 1)}"


def arm_pairs(results: Results, sides: tuple[set[str], set[str]] | None = None) -> list[ArmPair]:
    """Compare all evaluated arms with each other, benchmark by benchmark and on their mean.

    A family of Holm's adjustment is all pairs on one benchmark, or on the mean.

    Args:
        sides: Compare the arms of the first set with those of the second only.
    """

    @cache
    def means(arm: str) -> pd.DataFrame:
        return question_means(results.final(arm))

    @cache
    def by_seed(arm: str, benchmarks: tuple[str, ...]) -> Mapping[int, float]:
        scores = scores_by_seed(results.final(arm), benchmarks)
        return {seed: sum(values) / len(values) for seed, values in scores.items()}

    answered = {arm: set(means(arm)["benchmark"]) for arm in results.evaluated}
    compared = []
    pairs = [(first, second) for second, first in combinations(results.evaluated, 2)]
    if sides is not None:
        pairs = [(a, b) if a in sides[0] else (b, a) for a, b in pairs if len({a, b} & sides[0]) == 1]
    for first, second in pairs:
        shared = [name for name in results.benchmarks if name in answered[first] & answered[second]]
        groups = {name: [name] for name in shared} | ({MEAN: shared} if len(shared) > 1 else {})
        for name, benchmarks in groups.items():
            ours, theirs = (means(arm)[means(arm)["benchmark"].isin(benchmarks)] for arm in (first, second))
            if len(ours.index.intersection(theirs.index)):
                difference = gain_of_means(ours, theirs, results.settings)
                seeds = (by_seed(first, tuple(benchmarks)), by_seed(second, tuple(benchmarks)))
                sides_of = [results.final(arm) for arm in (first, second)]
                rows = [side[side["benchmark"].isin(benchmarks)] for side in sides_of]
                bounds = difference_bounds(rows[0], rows[1], results.settings)
                compared.append(_pair(results, first, second, name, difference, seeds, bounds))
    families = ([pair for pair in compared if pair.benchmark == name] for name in (MEAN, *results.benchmarks))
    return [pair for family in families for pair in _adjusted(family)]


def _adjusted(family: Sequence[ArmPair]) -> list[ArmPair]:
    questions = holm([pair.questions.robust_p for pair in family])
    training = holm([pair.training.p_value for pair in family])
    return [replace(pair, holm=p, training_holm=q) for pair, p, q in zip(family, questions, training, strict=True)]


def _pair(
    results: Results,
    first: str,
    second: str,
    name: str,
    difference: PairedDifference,
    seeds: tuple[Mapping[int, float], Mapping[int, float]],
    bounds: tuple[float, float] | None,
) -> ArmPair:
    settings = results.settings
    margin = settings.margin("average") if name == MEAN else settings.margin(name, lookup.facts(name).out_of)
    trained = (results.trained(first), results.trained(second))
    training = seed_difference(*seeds, trained=trained, confidence=settings.confidence)
    power, detectable = difference_power(difference, margin, settings.confidence)
    return ArmPair(
        first=first,
        second=second,
        benchmark=name,
        margin=margin,
        questions=difference,
        holm=None,
        power=power,
        detectable=detectable,
        training=training,
        training_holm=None,
        training_power=study.power(margin, training.stderr, training.df, settings.confidence),
        training_detectable=study.detectable(training.stderr, training.df, settings.confidence),
        bounds=bounds,
    )
