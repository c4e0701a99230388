"""Two models against each other: on the same questions, and as recipes whose unit is the training seed."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vr1repro.core.errors import UserError
from vr1repro.reporting.statistics import power as study
from vr1repro.reporting.statistics.estimate import Array, Estimate, Weights, clustered_mean, codes, row_weights
from vr1repro.reporting.statistics.rounding import settled

# 97.5th percentile of the normal distribution.
Z95 = 1.959963984540054
_BITS = 40  # of a cluster's sum in a sign flip; a million clusters still fit an int64


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two models on the same questions.

    Attributes:
        estimate: First minus second, clustered.
        robust_p: Two-sided t test with the cluster-robust error. It speaks about these checkpoints, never about the
            recipes that trained them: for those the unit is the training seed.
        p_value: The check of it, without assuming a distribution: sign-flip permutation over clusters.
        unpaired: Questions that only one of the two answered; they are left out.
    """

    estimate: Estimate
    robust_p: float
    p_value: float
    unpaired: int


def paired_difference(
    first: Mapping[str, float],
    second: Mapping[str, float],
    clusters: Mapping[str, Hashable],
    *,
    strata: Mapping[str, Hashable] | None = None,
    weights: Weights | None = None,
    confidence: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> PairedDifference:
    """Difference of two models' mean scores per question, paired by question, clustered (Miller 2024, section 4).

    Args:
        first: Mean correctness over seeds by question id.
        strata: Stratum of each question, where the score is a mean of strata's means.
        draws: Permutation draws; the test is exact where 2^clusters is smaller.

    Raises:
        UserError: The two have no question in common.
    """
    shared = sorted(first.keys() & second.keys())
    if not shared:
        raise UserError("two models can be compared only on questions that both answered; they share none")
    differences = np.array([first[key] - second[key] for key in shared])
    groups = [clusters[key] for key in shared]
    kinds = [strata[key] for key in shared] if strata is not None else None
    estimate = clustered_mean(differences, groups, confidence=confidence, strata=kinds, weights=weights)
    shares, _, _ = row_weights(kinds, len(shared), weights)
    sums = np.asarray(np.bincount(codes(groups), weights=shares * differences), dtype=np.float64)
    permuted = _sign_flip(sums, draws, seed)
    return PairedDifference(estimate, _robust_p(estimate), permuted, len(first.keys() ^ second.keys()))


@dataclass(frozen=True)
class DiscordantDifference:
    """The difference of two proportions on the same rows, which count as independent.

    Attributes:
        points: First minus second.
        se: Its standard error.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    points: float
    se: float
    low: float
    high: float


def discordant_difference(only_first: int, only_second: int, n: int) -> DiscordantDifference:
    """The difference from the rows that are right under one alone (McNemar's table), in points.

    Args:
        n: All rows.
    """
    if n == 0:
        return DiscordantDifference(0.0, 0.0, 0.0, 0.0)
    points = 100 * (only_first - only_second) / n
    se = 100 * math.sqrt(max(only_first + only_second - (only_first - only_second) ** 2 / n, 0)) / n
    return DiscordantDifference(points, se, points - Z95 * se, points + Z95 * se)


def _robust_p(estimate: Estimate) -> float:
    from scipy.special import stdtr

    if math.isnan(estimate.stderr):  # one cluster
        return 1.0
    if settled(estimate.stderr) == 0:  # equal differences in all of them
        return 1.0 if settled(estimate.value) == 0 else 0.0
    return float(2 * stdtr(estimate.clusters - 1, -abs(estimate.value) / estimate.stderr))


def _sign_flip(sums: Array, draws: int, seed: int) -> float:
    """Two-sided p value of "signs of the cluster sums are exchangeable".

    The sums are taken as multiples of a trillionth of the largest, whole numbers: which flips equal what was observed
    does not depend on the order in which they are added.
    """
    whole = np.rint(np.ldexp(sums, _BITS - int(np.frexp(np.abs(sums).max())[1]))).astype(np.int64)
    n, total = whole.size, int(whole.sum())
    observed = abs(total) - n  # each was rounded by at most a half, in the one sum and in the other
    if 2**n <= draws:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ whole) >= observed).mean())
    heads = np.random.default_rng(seed).integers(0, 2, size=(draws, n), dtype=np.int8)
    flipped = 2 * (heads @ whole) - total
    return float((1 + int((np.abs(flipped) >= observed).sum())) / (1 + draws))


FEWEST_SEEDS = 3  # of training, for a p value


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedDifference:
    """Two recipes: the unit is the training seed, questions are taken as fixed.

    Attributes:
        value: Difference of the means over training seeds.
        low: Lower end of the t interval; minus infinity with fewer than three seeds.
        smallest: Smallest difference of a seed (or, where seeds do not pair, of any two).
        seeds: Training seeds of the side that has fewer.
        p_value: Two-sided t test; None with fewer than three seeds: there is only a range.
        stderr: Standard error of the difference; NaN with fewer than three seeds.
        method: How it was compared, or why not.
    """

    value: float
    low: float
    high: float
    smallest: float
    largest: float
    seeds: int
    p_value: float | None
    stderr: float
    df: float
    method: str


def seed_difference(
    first: Mapping[int, float],
    second: Mapping[int, float],
    *,
    trained: tuple[bool, bool] = (True, True),
    confidence: float = 0.95,
) -> SeedDifference:
    """Difference of two recipes' scores.

    Equal training seeds share data order (and often a start or first stages), so they are paired; otherwise Welch's
    test. A model that no seed of ours trained is a fixed number.

    Args:
        first: Score by training seed.
        trained: Whether each was trained by us; the mean of one that was not is taken as a constant.
    """
    from scipy import stats

    sides = [np.array([side[seed] for seed in sorted(side)]) for side in (first, second)]
    counts = [len(side) for side, ours in zip(sides, trained, strict=True) if ours]
    sides = [side if ours else side.mean(keepdims=True) for side, ours in zip(sides, trained, strict=True)]
    value = float(sides[0].mean() - sides[1].mean())
    paired = all(trained) and first.keys() == second.keys()
    singles = sides[0] - sides[1] if paired else np.subtract.outer(*sides).ravel()
    seeds = min(counts, default=0)
    smallest, largest = float(singles.min()), float(singles.max())
    summary: dict[str, Any] = {"value": value, "smallest": smallest, "largest": largest, "seeds": seeds}
    if seeds < FEWEST_SEEDS:
        why = f"{seeds} training seed{'s' * (seeds != 1)}: a range, no p value (needs {FEWEST_SEEDS})"
        return SeedDifference(**summary, low=-math.inf, high=math.inf, p_value=None, stderr=math.nan, df=0, method=why)
    if settled(float(np.ptp(singles))) == 0:  # equal scores everywhere: no test can be made of that
        why, p_value = "no spread over training seeds", 1.0 if settled(value) == 0 else 0.0
        return SeedDifference(**summary, low=value, high=value, p_value=p_value, stderr=0.0, df=seeds - 1, method=why)
    if all(trained) and not paired:
        method, tested = "Welch's t over training seeds", stats.ttest_ind(*sides, equal_var=False)
    else:
        method = "t over paired training seeds" if paired else "t over training seeds against a fixed model"
        tested = stats.ttest_1samp(singles, 0.0)
    interval, df = tested.confidence_interval(confidence), float(tested.df)
    low, high = float(interval.low), float(interval.high)
    stderr = (high - low) / 2 / float(stats.t.ppf(0.5 + confidence / 2, df))
    p_value = float(tested.pvalue)
    return SeedDifference(**summary, low=low, high=high, p_value=p_value, stderr=stderr, df=df, method=method)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted by Holm's method for the family that they are; None stays None and is not counted."""
    from statsmodels.stats.multitest import multipletests

    given = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(given, method="holm")[1] if given else [])
    return [None if p is None else float(next(adjusted)) for p in p_values]


def difference_power(difference: PairedDifference, shift: float, confidence: float) -> tuple[float, float]:
    """Power of a paired comparison.

    Returns:
        Chance that a true difference of `shift` (in the unit of the estimate) is called, and the smallest difference
        that is called with 80 percent.
    """
    stderr, df = difference.estimate.stderr, difference.estimate.clusters - 1
    return study.power(shift, stderr, df, confidence), study.detectable(stderr, df, confidence)
