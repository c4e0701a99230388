"""Bootstrap bands of curves, whole clusters resampled."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vr1repro.reporting.statistics.estimate import Array, codes


def bootstrap_band(
    above: Array,
    below: Array,
    clusters: Sequence[Hashable] | npt.NDArray[Any],
    *,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Percentile band of ratios of sums over rows, resampling whole clusters with replacement.

    A resample takes a cluster some number of times, so its sums are those numbers times the clusters' own sums: no row
    is looked at twice. Of whole numbers that is exact, whatever the order in which rows or a processor add.

    Args:
        above: What each row adds above the line of every ratio; shape (rows, ratios).
        below: The same below the line. A resample whose sum is 0 here has nothing to say about that ratio.

    Returns:
        Lower and upper end, one value for each ratio; NaN where no resample had anything to say.
    """
    member = codes(clusters)
    groups, ratios = int(member.max()) + 1, above.shape[1]
    columns = [np.bincount(member, weights=column, minlength=groups) for column in (*above.T, *below.T)]
    sums = np.stack(columns, axis=1)
    generator = np.random.default_rng(seed)
    samples = []
    for _ in range(draws):
        times = np.bincount(generator.integers(groups, size=groups), minlength=groups).astype(np.float64)
        total = times @ sums
        top, bottom = total[:ratios], total[ratios:]
        samples.append(np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0))
    tail = 100 * (1 - confidence) / 2
    stacked = np.array(samples)
    empty = np.isnan(stacked).all(axis=0)
    stacked[:, empty] = 0.0
    low, high = np.nanpercentile(stacked, [tail, 100 - tail], axis=0)
    low[empty] = high[empty] = np.nan
    return low, high
