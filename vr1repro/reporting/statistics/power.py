"""Power of a study: chance of calling a shift, and the smallest shift that is called with 80 percent.

A difference divided by its estimated standard error follows a noncentral t distribution when the truth is not zero.
"""

import math
from functools import cache

CHANCE = 0.8  # the convention of power analyses


def chance(noncentrality: float, df: float, confidence: float) -> float:
    """Chance that a noncentral t variable lies outside the central t's two-sided quantiles.

    Args:
        noncentrality: True shift over its true standard error.
        df: Degrees of freedom of the standard error's estimate.
    """
    from scipy.special import nctdtr, stdtrit  # scipy.stats calls the same functions, twenty times slower

    edge = float(stdtrit(df, 0.5 + confidence / 2))
    outside = 1.0 - float(nctdtr(df, noncentrality, edge)) + float(nctdtr(df, noncentrality, -edge))
    # The distribution function loses its digits far out in the tail, where the answer is 1.
    return 1.0 if math.isnan(outside) else min(max(outside, 0.0), 1.0)


def power(shift: float, stderr: float, df: float, confidence: float) -> float:
    """Chance that a true shift is called different from zero; 0 where there is no spread to judge by.

    Args:
        shift: True shift, in the unit of the standard error.
        stderr: Standard error of what is compared; infinite or NaN where it cannot be estimated.
    """
    if not math.isfinite(stderr) or df < 1:
        return 0.0
    return 1.0 if stderr == 0 else chance(shift / stderr, df, confidence)


def detectable(stderr: float, df: float, confidence: float) -> float:
    """Smallest shift that is called with a chance of 80 percent; infinite where there is no spread to judge by."""
    if not math.isfinite(stderr) or df < 1:
        return math.inf
    return stderr * _noncentrality(df, confidence)


@cache
def _noncentrality(df: float, confidence: float) -> float:
    """The noncentrality that is called with a chance of `CHANCE`, by bisection."""
    low, high = 0.0, 1.0
    while chance(high, df, confidence) < CHANCE:
        low, high = high, high * 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle, df, confidence) < CHANCE else (low, middle)
    return high
