"""A difference whose variance is a sum of parts that are known by different degrees of freedom.

The interval is Banerjee's (Sankhya 24, 1960): half its width is the square root of the sum of t(df)^2 times each part.
A part drawn from chi-squared with its own degrees of freedom, independent of the difference, is all that it needs; the
coverage is then at least the level, whatever the true shares of the parts (the chi-squared distribution with one
degree of freedom has a concave distribution function, so that Jensen's inequality applies). Satterthwaite's
approximation is narrower, and covers too rarely with three trainings (`bench/calibration.py`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vr1repro.reporting.statistics.estimate import Array
from vr1repro.reporting.statistics.power import CHANCE

_QUADRATURE = 48  # equally likely values of an estimated standard error


@dataclass(frozen=True, slots=True)
class Part:
    """An independent estimate of one part of a variance.

    Attributes:
        variance: In the squared unit of the difference.
        df: Degrees of freedom; infinite where the part was declared and not estimated.
    """

    variance: float
    df: float


def stderr(parts: Sequence[Part]) -> float:
    """Standard error of the difference."""
    return math.sqrt(math.fsum(part.variance for part in parts))


def reach(parts: Sequence[Part], level: float) -> float:
    """What the difference stays below with a chance of at least `level` (of 0.5 or more), where the truth is 0."""
    return math.sqrt(math.fsum(_quantile(level, part.df) ** 2 * part.variance for part in parts))


def degrees(parts: Sequence[Part]) -> float:
    """Satterthwaite's degrees of freedom of the sum: a description and the base of power, no verdict's."""
    squares = math.fsum(part.variance**2 / part.df for part in parts)
    total = math.fsum(part.variance for part in parts)
    return total**2 / squares if squares > 0 else math.inf


def tail(distance: float, parts: Sequence[Part]) -> float:
    """One-sided p value: the largest chance of a difference beyond `distance` where the truth is 0."""
    if distance <= 0 or not parts:
        return 0.5 if distance == 0 or not parts else 1.0 - tail(-distance, parts)
    if reach(parts, 1 - 1e-12) < distance:
        return 0.0
    low, high = 0.5, 1 - 1e-12
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if reach(parts, middle) < distance else (low, middle)
    return 1.0 - high


def chance_called_different(shift: float, parts: Sequence[Part], confidence: float, slack: float = 0.0) -> float:
    """Chance that a true shift is told from 0.

    Args:
        confidence: Of the two-sided interval.
        slack: What the difference must exceed the interval by: rounding, and what other scorers move it by.
    """
    edge = reach(parts, 0.5 + confidence / 2)
    return _mean_chance(parts, lambda scales, error: _outside(shift, edge * scales + slack, error))


def chance_called_equal(
    shift: float, parts: Sequence[Part], confidence: float, margin: float, slack: float = 0.0
) -> float:
    """Chance that two one-sided tests, each at 1 - confidence, put a true shift inside the margin."""
    edge = reach(parts, confidence)
    return _mean_chance(parts, lambda scales, error: 1.0 - _outside(shift, margin - edge * scales - slack, error))


def detectable(parts: Sequence[Part], confidence: float, slack: float = 0.0) -> float:
    """Smallest true shift that is told from 0 with a chance of `power.CHANCE`, by bisection."""
    low, high = 0.0, max(stderr(parts), slack, 1e-9)
    while chance_called_different(high, parts, confidence, slack) < CHANCE:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        called = chance_called_different(middle, parts, confidence, slack) >= CHANCE
        low, high = (low, middle) if called else (middle, high)
    return high


def _mean_chance(parts: Sequence[Part], chance: Callable[[Array, float], Array]) -> float:
    """Mean of a chance over the estimates of the standard error that this one could have been."""
    scales = _scales(min(degrees(parts), 1e6))
    return math.fsum(chance(scales, stderr(parts)).tolist()) / len(scales)


def _outside(shift: float, edges: Array, error: float) -> Array:
    from scipy.special import ndtr

    if error == 0:
        return (abs(shift) > edges).astype(np.float64)
    beyond = ndtr((-edges - shift) / error) + ndtr((shift - edges) / error)
    return np.where(edges < 0, 1.0, beyond)


@lru_cache(maxsize=1024)
def _scales(df: float) -> Array:
    from scipy.special import chdtri

    shares = (np.arange(_QUADRATURE) + 0.5) / _QUADRATURE
    return np.asarray(np.sqrt(chdtri(df, shares) / df), dtype=np.float64)


@lru_cache(maxsize=4096)
def _quantile(level: float, df: float) -> float:
    from scipy.special import ndtri, stdtrit

    return float(ndtri(level)) if math.isinf(df) else float(stdtrit(df, level))
