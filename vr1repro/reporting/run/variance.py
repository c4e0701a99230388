"""Where a score's variance comes from: the questions, training again, sampling again, the grader, the protocol."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.run.scores import average_weights, headline
from vr1repro.reporting.run.scores_by_seed import answers_by_question, item_spread, mean_scores
from vr1repro.reporting.run.units import scored
from vr1repro.reporting.statistics.estimate import clustered_mean, row_weights


@dataclass(frozen=True, kw_only=True, slots=True)
class VarianceSplit:
    """Standard deviations of one score (one training, one sampling seed) in points, by what would be drawn again.

    A part that cannot be told apart, for want of a second draw, is None: with one evaluation seed, `training` holds
    the sampling too.

    Attributes:
        questions: Other questions of the same kind (clusters drawn again).
        training: Another training seed.
        sampling: Another evaluation seed.
        grader: Another scoring profile on the same responses.
        protocol: Another sampling protocol.
        eval_seeds: Evaluation seeds of each, the fewest.
        n: Questions that every run answered; the others are left out.
    """

    questions: float
    training: float | None
    sampling: float | None
    grader: float | None
    protocol: float | None
    train_seeds: int
    eval_seeds: int
    profiles: int
    n: int


def variance_split(frame: pd.DataFrame, settings: ReportSettings, benchmarks: Sequence[str]) -> VarianceSplit | None:
    """Split the variance of an arm's score by the method of moments (law of total variance, crossed design).

    Args:
        frame: All rows of one arm's end, every protocol and profile.
        settings: Names the headline, whose rows give the first three parts.
        benchmarks: The benchmark, or those whose mean is meant.

    Returns:
        None where no question was answered in every run, or the score is put together from shares, whose units share
        answers.
    """
    rows = headline(frame, settings)
    rows = rows[rows["benchmark"].isin(benchmarks) & (rows["stratum"] != EXCLUDED)]
    if scored(rows) is not rows:
        return None
    table, answered = answers_by_question(rows, "train_seed", "eval_seed")
    if table.empty:
        return None
    answered = answered.loc[table.index]
    pairs: list[Hashable] = list(zip(answered.index.get_level_values(0), answered["stratum"], strict=True))
    weights = average_weights(answered.reset_index())
    shares, _, _ = row_weights(pairs, len(table), weights)
    by_train = [table[seed].to_numpy() for seed in table.columns.get_level_values(0).unique()]
    fewest = min(part.shape[1] for part in by_train)
    sampling = _sampling(by_train, shares) if fewest > 1 else None
    training = _training(by_train, shares, sampling)
    clusters = list(zip(answered.index.get_level_values(0), answered["cluster"], strict=True))
    means = np.mean([part.mean(axis=1) for part in by_train], axis=0)
    stderr = clustered_mean(means, clusters, strata=pairs, weights=weights).stderr
    runs = sum(part.shape[1] for part in by_train)
    questions = stderr * stderr - (sampling or 0.0) / runs  # the mean over runs still holds some of the sampling noise
    scores = mean_scores(frame, settings, benchmarks)
    profiles = [score for (protocol, _), score in scores.items() if protocol == settings.protocol]
    protocols = [score for (_, profile), score in scores.items() if profile == settings.profile]
    return VarianceSplit(
        questions=_points(questions),
        training=None if training is None else _points(training),
        sampling=None if sampling is None else _points(sampling),
        grader=float(np.std(profiles, ddof=1)) if len(profiles) > 1 else None,
        protocol=float(np.std(protocols, ddof=1)) if len(protocols) > 1 else None,
        train_seeds=len(by_train),
        eval_seeds=fewest,
        profiles=len(profiles),
        n=len(table),
    )


def _sampling(by_train: Sequence[np.ndarray], shares: np.ndarray) -> float:
    """Variance of one score when the same model answers again, mean over trainings."""
    return float(np.mean([item_spread(part, shares).variance for part in by_train])) / 1e4


def _training(by_train: Sequence[np.ndarray], shares: np.ndarray, sampling: float | None) -> float | None:
    if len(by_train) < 2:
        return None
    means = [math.fsum((shares * part.mean(axis=1)).tolist()) for part in by_train]
    between = float(np.var(means, ddof=1))
    return between - (sampling or 0.0) * float(np.mean([1 / part.shape[1] for part in by_train]))


def _points(variance: float) -> float:
    """Standard deviation in points; a moment estimate below zero is zero."""
    return 100 * math.sqrt(max(0.0, variance))
