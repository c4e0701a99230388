"""Repeated draws of a score: one a seed, under each grader and protocol."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.questions import EXCLUDED
from vr1repro.reporting.scores import accuracy, pick


def draws(frame: pd.DataFrame, settings: ReportSettings, benchmarks: Sequence[str]) -> dict[int, list[float]]:
    """Scores in percent by training seed, one for each evaluation seed, for a verdict.

    Args:
        frame: Rows of one arm under one protocol and profile.
        settings: Confidence (unused by the value).
        benchmarks: A benchmark, or those whose mean is meant; `benchmark:subset` names a sub-score. A seed that lacks
            one of them gives no draw.
    """
    scores: dict[int, list[float]] = {}
    wanted = {name.partition(":")[0] for name in benchmarks}
    key: Any  # pandas types a group's key as any hashable
    for key, rows in frame[frame["benchmark"].isin(wanted)].groupby(["train_seed", "eval_seed"], sort=True):
        parts = []
        for name in benchmarks:
            benchmark, _, subset = name.partition(":")
            part = pick(rows[rows["benchmark"] == benchmark], subset or "overall")
            if part[part["stratum"] != EXCLUDED].empty:
                break
            parts.append(accuracy(part, settings).value)
        if len(parts) == len(benchmarks):
            scores.setdefault(int(key[0]), []).append(sum(parts) / len(parts))
    return scores


def grader_band(
    frame: pd.DataFrame, settings: ReportSettings, benchmarks: Sequence[str]
) -> tuple[tuple[float, float], int]:
    """How far other profiles and protocols move an arm's mean from the headline's.

    Args:
        frame: All rows of one arm's end.
        settings: Names the headline.
        benchmarks: As for `draws`.

    Returns:
        Lowest (at most 0) and highest (at least 0) shift in points, and the number of alternatives behind it.
    """
    means = mean_scores(frame, settings, benchmarks)
    own = means.pop((settings.protocol, settings.profile), None)
    if own is None or not means:
        return (0.0, 0.0), 0
    shifts = [mean - own for mean in means.values()]
    return (min(0.0, *shifts), max(0.0, *shifts)), len(shifts)


def mean_scores(
    frame: pd.DataFrame, settings: ReportSettings, benchmarks: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Mean over seeds of an arm's score in percent, by (protocol, profile); arguments as for `grader_band`."""
    means: dict[tuple[str, str], float] = {}
    key: Any
    for key, rows in frame.groupby(["protocol", "profile"]):
        scores = draws(rows, settings, benchmarks)
        if scores:
            means[key] = sum(sum(seeds) / len(seeds) for seeds in scores.values()) / len(scores)
    return means
