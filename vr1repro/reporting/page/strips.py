"""Small dot-and-interval drawings for the overview: coordinates only, a template makes SVG of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import fixed, settled

WIDTH, HEIGHT, _EDGE = 260, 24, 8
_STEP = 10  # an axis begins and ends at a multiple of ten points


@dataclass(frozen=True)
class Strip:
    """One estimate: x of its interval's ends, its value and its seeds, in a box of WIDTH by HEIGHT."""

    low: float
    high: float
    value: float
    seeds: tuple[float, ...]


@dataclass(frozen=True)
class Strips:
    """Estimates on one axis, with the axis' round numbers and where they stand."""

    rows: tuple[Strip, ...]
    ticks: tuple[tuple[int, float], ...]
    width: int = WIDTH
    height: int = HEIGHT


def strips(estimates: Sequence[tuple[Estimate, Sequence[float]]]) -> Strips:
    """Place estimates, each with its training seeds' own values, on one axis."""
    values = [
        float(settled(x))
        for one, seeds in estimates
        for x in (one.low, one.high, one.value, *seeds)
        if math.isfinite(x)
    ]
    if not values:
        return Strips((), ())
    first, last = math.floor(min(values) / _STEP) * _STEP, math.ceil(max(values) / _STEP) * _STEP
    last = max(last, first + _STEP)

    def place(x: float) -> float:
        inside = min(max(x, first), last) if math.isfinite(x) else first
        return float(fixed(_EDGE + (WIDTH - 2 * _EDGE) * (inside - first) / (last - first), 1))

    rows = tuple(
        Strip(place(one.low), place(one.high), place(one.value), tuple(place(seed) for seed in seeds))
        for one, seeds in estimates
    )
    return Strips(rows, tuple((tick, place(tick)) for tick in range(first, last + 1, _STEP)))
