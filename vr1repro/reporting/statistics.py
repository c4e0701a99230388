"""Estimates with their errors: clustered means, seed means, paired differences, bootstrap bands.

Sources. Cluster-robust (sandwich) variance: Liang and Zeger 1986, with the G/(G-1) correction and t quantiles on G-1
degrees of freedom, as Miller 2024 (arXiv 2411.00640) asks for evaluations whose questions share a source. Interval of
a proportion: Wilson's, with the effective sample size p(1-p)/stderr^2 scaled to the t quantile (Korn and Graubard
1998; Franco et al. 2019), so that it stays inside [0, 1] and does not vanish at 0 or 1.
"""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vr1repro.errors import UserError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number that is never without its error.

    Attributes:
        value: The point estimate.
        n: Observations.
        clusters: Independent groups of observations (problems or images).
        stderr: Standard error; NaN where there is one cluster.
        low: Lower end of the interval.
        high: Upper end of the interval.
        method: How stderr and interval were made.
    """

    value: float
    n: int
    clusters: int
    stderr: float
    low: float
    high: float
    method: str

    def scaled(self, factor: float) -> "Estimate":
        """The same estimate in another unit, for example 100 for percent."""
        return replace(
            self,
            value=self.value * factor,
            stderr=self.stderr * factor,
            low=self.low * factor,
            high=self.high * factor,
        )

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for a table's columns."""
        return asdict(self)


def clustered_mean(
    values: Sequence[float] | npt.NDArray[Any],
    clusters: Sequence[Hashable] | npt.NDArray[Any],
    *,
    confidence: float = 0.95,
    strata: Sequence[Hashable] | npt.NDArray[Any] | None = None,
    weights: Mapping[Any, float] | None = None,
    proportion: bool = False,
) -> Estimate:
    """A mean with a cluster-robust standard error, of all values or of strata with fixed weights.

    With strata it is the weighted mean of the strata's means: MathVerse's overall score is the mean of its five
    problem versions, the paper's average that of three benchmarks. A cluster may lie in several strata (the five
    versions of one problem do).

    Args:
        values: Observations.
        clusters: The cluster of each; the same problem under several seeds is one cluster.
        confidence: Level of the interval.
        strata: The stratum of each observation.
        weights: Weight of each stratum, all equal where left out; scaled to sum to 1.
        proportion: The values lie in [0, 1]: use Wilson's interval instead of a symmetric one.

    Raises:
        UserError: There is no value, a value is not finite, or a stratum has no weight.
    """
    y = np.asarray(values, dtype=np.float64)
    if y.size == 0 or not np.isfinite(y).all():
        raise UserError("a mean needs at least one value, all of them finite; nothing was collected or a row is bad")
    codes = _codes(clusters)
    groups = int(codes.max()) + 1
    stratum, names = _strata(strata, y.size)
    contrast = _contrast(names, weights)
    sizes = np.bincount(stratum)
    means = np.bincount(stratum, weights=y) / sizes
    value = float(contrast @ means)
    if groups < 2:
        low, high = (0.0, 1.0) if proportion else (-math.inf, math.inf)
        return Estimate(value, y.size, groups, math.nan, low, high, "one cluster: no spread")
    # The sandwich of a regression on stratum indicators has this closed form; statsmodels gives the same to the last
    # digit (tested) a hundred times slower, and a report needs thousands of these.
    influence = np.bincount(codes, weights=(contrast / sizes)[stratum] * (y - means[stratum]))
    correction = groups / (groups - 1) * (y.size - 1) / max(1, y.size - len(names))
    stderr = math.sqrt(correction * float(influence @ influence))
    quantile = _t_quantile(confidence, groups - 1)
    if proportion:
        low, high = _wilson(value, stderr, y.size, groups, confidence, quantile)
        return Estimate(value, y.size, groups, stderr, low, high, "cluster-robust, Wilson with effective n")
    low, high = value - quantile * stderr, value + quantile * stderr
    return Estimate(value, y.size, groups, stderr, low, high, "cluster-robust, t")


def seed_mean(scores: Sequence[float], *, confidence: float = 0.95, n: int | None = None) -> Estimate:
    """Mean over seeds with the t interval of the seeds' own spread: what another seed's mean would look like.

    Items are taken as fixed, so this is the error of "the same questions again", not of "other questions".

    Args:
        scores: One score a seed.
        confidence: Level of the interval.
        n: Observations behind the scores, for the record; the number of seeds where left out.
    """
    draws = np.asarray(scores, dtype=np.float64)
    value, count = float(draws.mean()), draws.size
    if count < 2:
        return Estimate(value, n or count, count, math.nan, -math.inf, math.inf, "one seed: no spread")
    stderr = float(draws.std(ddof=1)) / math.sqrt(count)
    half = _t_quantile(confidence, count - 1) * stderr
    return Estimate(value, n or count, count, stderr, value - half, value + half, f"t over {count} seeds")


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Two models on the same questions.

    Attributes:
        estimate: First minus second, clustered.
        p_value: Two-sided sign-flip permutation test over clusters. It speaks about these checkpoints, never about
            the recipes that trained them: for those the unit is the training seed.
        unpaired: Questions that only one of the two answered; they are left out.
    """

    estimate: Estimate
    p_value: float
    unpaired: int


def paired_difference(
    first: Mapping[str, float],
    second: Mapping[str, float],
    clusters: Mapping[str, Hashable],
    *,
    strata: Mapping[str, Hashable] | None = None,
    weights: Mapping[Any, float] | None = None,
    confidence: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> PairedDifference:
    """Difference of two models' mean scores per question, paired by question, clustered (Miller 2024, section 4).

    Args:
        first: Mean correctness over seeds by question id.
        second: The same of the other model.
        clusters: Cluster of each question.
        strata: Stratum of each question, where the score is a mean of strata's means.
        weights: As for `clustered_mean`.
        confidence: Level of the interval.
        draws: Permutation draws; the test is exact where 2^clusters is smaller.
        seed: Seed of the draws.

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
    stratum, names = _strata(kinds, len(shared))
    shares = (_contrast(names, weights) / np.bincount(stratum))[stratum]
    sums = np.asarray(np.bincount(_codes(groups), weights=shares * differences), dtype=np.float64)
    return PairedDifference(estimate, _sign_flip(sums, draws, seed), len(first.keys() ^ second.keys()))


def _sign_flip(sums: Array, draws: int, seed: int) -> float:
    """Two-sided p value of "signs of the cluster sums are exchangeable"."""
    observed, dust = abs(sums.sum()), 1e-12
    if 2**sums.size <= draws:
        signs = 1.0 - 2.0 * ((np.arange(2**sums.size)[:, None] >> np.arange(sums.size)) & 1)
        return float((np.abs(signs @ sums) >= observed - dust).mean())
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, sums.size))
    return float((1 + (np.abs(signs @ sums) >= observed - dust).sum()) / (1 + draws))


def bootstrap_band(
    statistic: Callable[[npt.NDArray[np.int64]], Array],
    clusters: Sequence[Hashable] | npt.NDArray[Any],
    *,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Percentile band of a vector-valued statistic, resampling whole clusters with replacement.

    Args:
        statistic: Takes row numbers (with repeats) and returns a vector, NaN where a resample has nothing to say.
        clusters: The cluster of each row.
        draws: Resamples.
        confidence: Level.
        seed: Seed of the resamples.

    Returns:
        Lower and upper end, one value for each entry of the statistic.
    """
    codes = _codes(clusters)
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(draws):
        chosen = generator.integers(len(members), size=len(members))
        samples.append(statistic(np.concatenate([members[k] for k in chosen])))
    tail = 100 * (1 - confidence) / 2
    stacked = np.array(samples)
    empty = np.isnan(stacked).all(axis=0)
    stacked[:, empty] = 0.0
    low, high = np.nanpercentile(stacked, [tail, 100 - tail], axis=0)
    low[empty] = high[empty] = np.nan
    return low, high


def _codes(labels: Sequence[Hashable] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)


@cache
def _z_quantile(confidence: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(0.5 + confidence / 2))


def _strata(strata: Sequence[Hashable] | npt.NDArray[Any] | None, n: int) -> tuple[npt.NDArray[np.int64], list[Any]]:
    if strata is None:
        return np.zeros(n, dtype=np.int64), [None]
    names = list(dict.fromkeys(strata))
    index = {name: k for k, name in enumerate(names)}
    return np.array([index[name] for name in strata], dtype=np.int64), names


def _contrast(names: Sequence[Any], weights: Mapping[Any, float] | None) -> Array:
    if weights is None:
        return np.full(len(names), 1.0 / len(names))
    if missing := [name for name in names if name not in weights]:
        raise UserError(f"strata without a weight: {missing}")
    chosen = np.array([weights[name] for name in names], dtype=np.float64)
    return np.asarray(chosen / chosen.sum(), dtype=np.float64)


@cache
def _t_quantile(confidence: float, df: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2, df))


def _wilson(p: float, stderr: float, n: int, groups: int, confidence: float, quantile: float) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    # All clusters agree at 0 or 1 (or cancel exactly): then each cluster counts as one observation.
    effective = p * (1 - p) / stderr**2 if stderr > 0 and 0 < p < 1 else float(groups)
    effective = min(effective, float(n)) * (_z_quantile(confidence) / quantile) ** 2
    low, high = proportion_confint(p * effective, effective, alpha=1 - confidence, method="wilson")
    return float(max(low, 0.0)), float(min(high, 1.0))
