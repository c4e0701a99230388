"""A score for each seed, under each grader and protocol, and how far sampling again moves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.run.scores import pick
from vr1repro.reporting.statistics.estimate import Array, row_weights

# The columns that a score is made of: cutting rows out of all of them would be most of the time.
_COLUMNS = ["benchmark", "train_seed", "eval_seed", "stratum", "subsets", "correct"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of one score when the same model answers the same questions again.

    Attributes:
        variance: In squared points.
    """

    variance: float
    df: float


def item_spread(right: Array, shares: Array) -> Spread:
    """The variance of a score from the disagreement of each question's own answers.

    Answers are sampled independently of each other, so the variance of a weighted mean is the sum of the questions'.
    That is known far better than the spread of two or three scores: its degrees of freedom (Satterthwaite) are about
    twice the number of questions that were not always answered alike.

    Args:
        right: 0 or 1, shape (questions, evaluation seeds); at least two seeds.
        shares: What each question weighs in the score; shape (questions,).
    """
    parts = shares**2 * right.var(axis=1, ddof=1)
    total, squares = float(parts.sum()), float(parts @ parts)
    return Spread(1e4 * total, 2 * total**2 / squares if squares > 0 else float(right.shape[1] - 1))


def answers_by_question(rows: pd.DataFrame, *seeds: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers of one arm under one protocol and profile as 1 (right) or 0, and the questions.

    Args:
        seeds: Columns of `rows` that tell repeated answers to a question apart.

    Returns:
        A row for each question that was answered under every seed, a column for each seed; and the columns of all
        questions in the same order. Both are indexed by benchmark and id.
    """
    keys = ["benchmark", "id"]
    right = rows.assign(right=rows["correct"].map(lambda value: float(value is True)))
    table = right.pivot_table(index=keys, columns=list(seeds), values="right")
    return table.dropna(), rows.drop_duplicates(keys).set_index(keys).loc[table.index]


def sampling_spread(frame: pd.DataFrame, benchmarks: Sequence[str]) -> Spread | None:
    """`item_spread` of an arm with one training, under one protocol and profile.

    Returns:
        None with several trainings (their spread holds this one), with one evaluation seed, or where the seeds did not
        answer the same questions.
    """
    slugs = {name.partition(":")[0] for name in benchmarks}
    rows = frame[frame["benchmark"].isin(slugs) & (frame["stratum"] != EXCLUDED)]
    if rows["train_seed"].nunique() != 1 or rows["eval_seed"].nunique() < 2:
        return None
    table, questions = answers_by_question(rows, "eval_seed")
    if len(table) < len(questions):
        return None
    questions = questions.reset_index()
    shares = np.zeros(len(questions))
    for name in benchmarks:
        benchmark, _, subset = name.partition(":")
        part = pick(questions[questions["benchmark"] == benchmark], subset or "overall")
        if part.empty:
            return None
        shares[part.index] += row_weights(list(part["stratum"]), len(part))[0] / len(benchmarks)
    return item_spread(table.to_numpy(), shares)


def scores_by_seed(frame: pd.DataFrame, benchmarks: Sequence[str]) -> dict[int, list[float]]:
    """Scores in percent by training seed, one for each evaluation seed.

    Args:
        frame: Rows of one arm under one protocol and profile.
        benchmarks: A benchmark, or those whose mean is meant; `benchmark:subset` names a sub-score. A seed that lacks
            one of them gives no score.
    """
    slugs = {name.partition(":")[0] for name in benchmarks}
    chosen = frame.loc[frame["benchmark"].isin(slugs) & (frame["stratum"] != EXCLUDED), _COLUMNS]
    chosen = chosen.assign(right=(chosen["correct"] == True).astype("float64"))  # noqa: E712 - elementwise, None is False
    seeds = ["train_seed", "eval_seed"]
    parts = []
    for name in benchmarks:
        benchmark, _, subset = name.partition(":")
        part = pick(chosen[chosen["benchmark"] == benchmark], subset or "overall")
        # A score is the mean of its strata's means.
        parts.append(part.groupby([*seeds, "stratum"])["right"].mean().groupby(level=[0, 1]).mean())
    scores: dict[int, list[float]] = {}
    key: Any  # pandas types a group's key as any hashable
    for key, row in pd.concat(parts, axis=1).dropna().sort_index().iterrows():
        scores.setdefault(int(key[0]), []).append(100 * float(row.mean()))
    return scores


def grader_band(
    frame: pd.DataFrame, settings: ReportSettings, benchmarks: Sequence[str]
) -> tuple[tuple[float, float], int]:
    """How far other profiles and protocols move an arm's mean from the headline's.

    Args:
        frame: All rows of one arm's end.

    Returns:
        Lowest (at most 0) and highest (at least 0) shift in points, and the number of alternatives behind it.
    """
    means = mean_scores(frame, settings, benchmarks)
    headline = means.pop((settings.protocol, settings.profile), None)
    if headline is None or not means:
        return (0.0, 0.0), 0
    shifts = [mean - headline for mean in means.values()]
    return (min(0.0, *shifts), max(0.0, *shifts)), len(shifts)


def mean_scores(
    frame: pd.DataFrame, settings: ReportSettings, benchmarks: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Mean over seeds of an arm's score in percent, by (protocol, profile); arguments as for `grader_band`."""
    means: dict[tuple[str, str], float] = {}
    key: Any
    for key, rows in frame.groupby(["protocol", "profile"]):
        scores = scores_by_seed(rows, benchmarks)
        if scores:
            means[key] = sum(sum(seeds) / len(seeds) for seeds in scores.values()) / len(scores)
    return means
