"""Estimates with their errors: clustered means, seed means, paired differences, bootstrap bands.

Sources. Cluster-robust (sandwich) variance: Liang and Zeger 1986, with the G/(G-1) correction and t quantiles on G-1
degrees of freedom, as Miller 2024 (arXiv 2411.00640) asks for evaluations whose questions share a source. Interval of
a proportion: Wilson's, with the effective sample size p(1-p)/stderr^2 scaled to the t quantile (Korn and Graubard
1998; Franco et al. 2019), so that it stays inside [0, 1] and does not vanish at 0 or 1.

Nothing here depends on the processor: right and wrong are counted as whole numbers, their ratios are exact until the
last step, and sums of fractions are rounded once (`math.fsum`). A product of matrices is not: BLAS adds in an order
that the processor decides.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vr1repro.core.errors import UserError

Array = npt.NDArray[np.float64]
# Weights of strata; fractions keep a mean of means exact.
Weights = Mapping[Any, float | Fraction]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A number that is never without its error.

    Attributes:
        clusters: Independent groups of observations (problems or images).
        stderr: Standard error; NaN where there is one cluster.
        low: Lower end of the interval.
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
    weights: Weights | None = None,
    proportion: bool = False,
) -> Estimate:
    """A mean with a cluster-robust standard error, of all values or of strata with fixed weights.

    With strata it is the weighted mean of the strata's means: MathVerse's overall score is the mean of its five
    problem versions, the paper's average that of three benchmarks. A cluster may lie in several strata (the five
    versions of one problem do).

    Args:
        clusters: The cluster of each; the same problem under several seeds is one cluster.
        weights: Weight of each stratum, all equal where left out; scaled to sum to 1.
        proportion: The values lie in [0, 1]: use Wilson's interval instead of a symmetric one.

    Raises:
        UserError: There is no value, a value is not finite, or a stratum has no weight.
    """
    y = np.asarray(values, dtype=np.float64)
    if y.size == 0 or not np.isfinite(y).all():
        raise UserError("a mean needs at least one value, all of them finite; nothing was collected or a row is bad")
    member = codes(clusters)
    groups = int(member.max()) + 1
    shares, stratum, contrast = row_weights(strata, y.size, weights)
    sizes = np.bincount(stratum)
    totals = _totals(y, stratum, len(sizes))
    means = totals / sizes
    parts = zip(contrast, totals.tolist(), sizes.tolist(), strict=True)
    value = float(sum(weight * Fraction(total) / size for weight, total, size in parts))
    estimate = partial(Estimate, value=value, n=y.size, clusters=groups)
    if groups < 2:
        low, high = (0.0, 1.0) if proportion else (-math.inf, math.inf)
        return estimate(stderr=math.nan, low=low, high=high, method="one cluster: no spread")
    # The sandwich of a regression on stratum indicators has this closed form; statsmodels gives the same to the last
    # digit (tested) a hundred times slower, and a report needs thousands of these.
    influence = np.bincount(member, weights=shares * (y - means[stratum]))
    correction = groups / (groups - 1) * (y.size - 1) / max(1, y.size - len(contrast))
    stderr = math.sqrt(correction * math.fsum((influence * influence).tolist()))
    quantile = _t_quantile(confidence, groups - 1)
    if proportion:
        low, high = _wilson(value, stderr, y.size, groups, confidence, quantile)
        return estimate(stderr=stderr, low=low, high=high, method="cluster-robust, Wilson with effective n")
    half = quantile * stderr
    return estimate(stderr=stderr, low=value - half, high=value + half, method="cluster-robust, t")


def seed_mean(scores: Sequence[float], *, confidence: float = 0.95, n: int | None = None) -> Estimate:
    """Mean over seeds with the t interval of the seeds' own spread: what another seed's mean would look like.

    Items are taken as fixed, so this is the error of "the same questions again", not of "other questions".

    Args:
        scores: One score a seed.
        n: Observations behind the scores, for the record; the number of seeds where left out.
    """
    array = np.asarray(scores, dtype=np.float64)
    value, count = float(array.mean()), array.size
    estimate = partial(Estimate, value=value, n=n or count, clusters=count)
    if count < 2:
        return estimate(stderr=math.nan, low=-math.inf, high=math.inf, method="one seed: no spread")
    stderr = float(array.std(ddof=1)) / math.sqrt(count)
    half = _t_quantile(confidence, count - 1) * stderr
    return estimate(stderr=stderr, low=value - half, high=value + half, method=f"t over {count} seeds")


def codes(labels: Sequence[Hashable] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Labels as numbers from 0, in the order of their first appearance."""
    import pandas as pd

    if isinstance(labels, np.ndarray | range):
        return np.asarray(pd.factorize(np.asarray(labels))[0], dtype=np.int64)
    seen: dict[Hashable, int] = {}
    return np.array([seen.setdefault(label, len(seen)) for label in labels], dtype=np.int64)


def pair_codes(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The same for pairs of labels, without a tuple for each row."""
    import pandas as pd

    outer, (inner, names) = pd.factorize(first, use_na_sentinel=False)[0], pd.factorize(second, use_na_sentinel=False)
    return codes(outer * len(names) + inner)


def row_weights(
    strata: Sequence[Hashable] | npt.NDArray[Any] | None, n: int, weights: Weights | None = None
) -> tuple[Array, npt.NDArray[np.int64], list[Fraction]]:
    """What each row weighs in a weighted mean of strata's means.

    Args:
        strata: The stratum of each row; None where there is one.
        weights: Weight of each stratum, all equal where left out.

    Returns:
        Each row's weight (they sum to 1), its stratum as a number, and the weight of each stratum.

    Raises:
        UserError: A stratum has no weight.
    """
    if strata is None:
        return np.full(n, 1.0 / n), np.zeros(n, dtype=np.int64), [Fraction(1)]
    stratum = codes(strata)
    names = list(dict.fromkeys(strata.tolist() if isinstance(strata, np.ndarray) else strata))
    if missing := [name for name in names if weights is not None and name not in weights]:
        raise UserError(f"strata without a weight: {missing}")
    chosen = [Fraction(1 if weights is None else weights[name]) for name in names]
    contrast = [weight / sum(chosen) for weight in chosen]
    shares = [float(weight / size) for weight, size in zip(contrast, np.bincount(stratum).tolist(), strict=True)]
    return np.array(shares)[stratum], stratum, contrast


def _totals(values: Array, stratum: npt.NDArray[np.int64], strata: int) -> Array:
    """The sum of each stratum: exact of whole numbers, of others rounded once."""
    if (values == np.rint(values)).all():
        return np.asarray(np.bincount(stratum, weights=values), dtype=np.float64)
    return np.array([math.fsum(values[stratum == k].tolist()) for k in range(strata)])


@cache
def _z_quantile(confidence: float) -> float:
    from scipy.special import ndtri  # scipy.stats has the same at the price of a second's import

    return float(ndtri(0.5 + confidence / 2))


@cache
def _t_quantile(confidence: float, df: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + confidence / 2))


def _wilson(p: float, stderr: float, n: int, groups: int, confidence: float, quantile: float) -> tuple[float, float]:
    from statsmodels.stats.proportion import proportion_confint

    # All clusters agree at 0 or 1 (or cancel exactly): then each cluster counts as one observation.
    effective = p * (1 - p) / (stderr * stderr) if stderr > 0 and 0 < p < 1 else float(groups)
    effective = min(effective, float(n)) * (_z_quantile(confidence) / quantile) ** 2
    low, high = proportion_confint(p * effective, effective, alpha=1 - confidence, method="wilson")
    return float(max(low, 0.0)), float(min(high, 1.0))
