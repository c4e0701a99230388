"""Bootstrap bands of curves, whole clusters resampled."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vr1repro.reporting.statistics import Array, codes


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
    member = codes(clusters)
    order = np.argsort(member, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(member))[:-1])
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
