"""A score for each seed, under each grader and protocol, and how far sampling again moves it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.run.scores import open_shares, pick
from vr1repro.reporting.run.units import has_units, maximum, scored
from vr1repro.reporting.statistics.estimate import Array, pair_codes, row_weights
from vr1repro.reporting.statistics.parts import Part

# The columns that a score is made of: cutting rows out of all of them would be most of the time.
_COLUMNS = [
    "benchmark",
    "train_seed",
    "eval_seed",
    "id",
    "cluster",
    "stratum",
    "units",
    "subsets",
    "verdict",
    "correct",
]
# Questions that all seeds must have answered alike: a timeout here and there leaves a spread as good.
_MOST = 0.99

Scorer = tuple[str, str]
"""A sampling protocol and a scoring profile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draws:
    """Scores of repeated draws, and what is known of how another draw would differ: what a verdict is made of.

    Attributes:
        scores: In the published number's unit, by training seed, one for each evaluation seed.
        sampled: Variance of one run over the arms that our training seeds trained, by sampling alone; None where it is
            not known, as with one evaluation seed.
        fixed: The same of the arms whose weights are the same in every draw.
        squares: Sum of the squared weights of the trained arms, 1 for a plain score; 0 where nothing was trained.
        ungraded: Largest share of an arm's responses without a verdict.
        unparsable: Smallest and largest share of an arm's responses without an answer that the scorer could read.
        unread: The same, largest of an arm and one benchmark: a mean over benchmarks hides one that is not read at all.
    """

    scores: Mapping[int, Sequence[float]]
    sampled: Part | None = None
    fixed: Part | None = field(default=Part(0.0, np.inf))
    squares: float = 1.0
    ungraded: float = 0.0
    unparsable: tuple[float, float] = (0.0, 0.0)
    unread: float = 0.0


def item_spread(right: Array, shares: Array) -> Part:
    """The variance of a score, in squared points, from the disagreement of each question's own answers.

    Answers are sampled independently of each other, so the variance of a weighted mean is the sum of the questions'.
    That is known far better than the spread of two or three scores: its degrees of freedom (Satterthwaite) are about
    twice the number of questions that were not always answered alike.

    Args:
        right: 0 or 1, or sums of such, shape (questions, evaluation seeds); at least two seeds.
        shares: What each question weighs in the score; shape (questions,).
    """
    parts = shares**2 * right.var(axis=1, ddof=1)
    total, squares = math.fsum(parts.tolist()), math.fsum((parts * parts).tolist())
    return Part(1e4 * total, 2 * total**2 / squares if squares > 0 else float(right.shape[1] - 1))


def answers_by_question(rows: pd.DataFrame, *seeds: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Answers of one arm under one protocol and profile as 1 (right) or 0, and the questions.

    An answer without a verdict is none.

    Args:
        seeds: Columns of `rows` that tell repeated answers to a question apart.

    Returns:
        A row for each question that was answered under every seed, a column for each seed; and the columns of all
        questions in the same order. Both are indexed by benchmark and id.
    """
    keys = ["benchmark", "id"]
    right = rows.assign(right=rows["correct"].map({True: 1.0, False: 0.0}))
    table = right.pivot_table(index=keys, columns=list(seeds), values="right")
    return table.dropna(), rows.drop_duplicates(keys).set_index(keys).loc[table.index]


def sampling_spread(frame: pd.DataFrame, benchmarks: Sequence[str]) -> Part | None:
    """`item_spread` of an arm under one protocol and profile, the mean over its trainings.

    Returns:
        None where a training has one evaluation seed, or its seeds did not answer the same questions.
    """
    slugs = {name.partition(":")[0] for name in benchmarks}
    rows = scored(frame[frame["benchmark"].isin(slugs) & (frame["stratum"] != EXCLUDED)])
    parts = [_spread_of_training(of_seed, benchmarks) for _, of_seed in rows.groupby("train_seed")]
    known = [part for part in parts if part is not None]
    if not parts or len(known) < len(parts):
        return None
    return weighted_sum([(1 / len(known), part) for part in known])


def weighted_sum(parts: Sequence[tuple[float, Part]]) -> Part:
    """A sum of independent variances with weights, and Satterthwaite's degrees of freedom of it."""
    total = sum(weight * part.variance for weight, part in parts)
    squares = sum((weight * part.variance) ** 2 / part.df for weight, part in parts)
    return Part(total, total**2 / squares if squares > 0 else min((part.df for _, part in parts), default=np.inf))


def _spread_of_training(rows: pd.DataFrame, benchmarks: Sequence[str]) -> Part | None:
    if rows["eval_seed"].nunique() < 2:
        return None
    table, questions = answers_by_question(rows, "eval_seed")
    if len(table) < _MOST * len(questions):
        return None
    questions = questions.loc[table.index].reset_index()
    shares, of = np.zeros(len(questions)), 100.0
    for name in benchmarks:
        benchmark, _, subset = name.partition(":")
        part = pick(questions[questions["benchmark"] == benchmark], subset or "overall")
        if part.empty:
            return None
        of = maximum(benchmark, part) if len(benchmarks) == 1 else 100.0
        shares[part.index] += row_weights(list(part["stratum"]), len(part))[0] / len(benchmarks)
    right = table.to_numpy(dtype=np.float64)
    if has_units(questions):
        # Units of one cluster share answers, so that a cluster's own sum is what is sampled independently.
        clusters = pair_codes(questions["benchmark"].to_numpy(), questions["cluster"].to_numpy())
        right = np.stack([np.bincount(clusters, weights=shares * seed) for seed in right.T], axis=1)
        shares = np.ones(len(right))
    spread = item_spread(right, shares)
    return Part(spread.variance * (of / 100) ** 2, spread.df)


def scores_by_seed(frame: pd.DataFrame, benchmarks: Sequence[str]) -> dict[int, list[float]]:
    """Scores by training seed, one for each evaluation seed; each is an exact ratio, rounded once.

    They are in percent, or in the points of a benchmark's own sum.

    Args:
        frame: Rows of one arm under one protocol and profile.
        benchmarks: A benchmark, or those whose mean is meant; `benchmark:subset` names a sub-score. A seed that lacks
            one of them gives no score. Responses without a verdict count neither as right nor as wrong.
    """
    slugs = {name.partition(":")[0] for name in benchmarks}
    columns = [name for name in _COLUMNS if name in frame.columns]
    chosen = scored(frame.loc[frame["benchmark"].isin(slugs) & (frame["stratum"] != EXCLUDED), columns])
    chosen = chosen[chosen["correct"].notna()]
    chosen = chosen.assign(right=chosen["correct"].astype("int64"))
    of = Fraction(100)
    parts: list[dict[tuple[int, int], Fraction]] = []
    for name in benchmarks:
        benchmark, _, subset = name.partition(":")
        part = pick(chosen[chosen["benchmark"] == benchmark], subset or "overall")
        of = Fraction(maximum(benchmark, part)) if len(benchmarks) == 1 else of
        counts = part.groupby(["train_seed", "eval_seed", "stratum"])["right"].agg(["sum", "size"])
        strata: dict[tuple[int, int], list[Fraction]] = {}
        for (train, seed, _), right, n in zip(counts.index, counts["sum"], counts["size"], strict=True):
            strata.setdefault((int(train), int(seed)), []).append(Fraction(int(right), int(n)))
        # A score is the mean of its strata's means.
        parts.append({key: sum(means, Fraction()) / len(means) for key, means in strata.items()})
    scores: dict[int, list[float]] = {}
    for key in sorted(set.intersection(*map(set, parts))):
        scores.setdefault(key[0], []).append(float(of * sum(part[key] for part in parts) / len(parts)))
    return scores


def draws_by_scorer(frame: pd.DataFrame, benchmarks: Sequence[str], *, trained: bool) -> dict[Scorer, Draws]:
    """What every protocol and profile gives of one arm.

    Args:
        frame: Rows of the arm's end under all of them.
        benchmarks: As for `scores_by_seed`.
        trained: Whether its weights differ from training seed to training seed.
    """
    draws: dict[Scorer, Draws] = {}
    key: Any
    for key, rows in frame.groupby(["protocol", "profile"]):
        scores, part = scores_by_seed(rows, benchmarks), sampling_spread(rows, benchmarks)
        if scores:
            slugs = {name.partition(":")[0] for name in benchmarks}
            shares = open_shares(rows[rows["benchmark"].isin(slugs)])
            unread = max(open_shares(rows[rows["benchmark"] == slug]).unparsable for slug in slugs)
            draws[key] = Draws(
                scores=scores,
                sampled=part if trained else Part(0.0, np.inf),
                fixed=Part(0.0, np.inf) if trained else part,
                squares=float(trained),
                ungraded=shares.ungraded / 100,
                unparsable=(shares.unparsable / 100, shares.unparsable / 100),
                unread=unread / 100,
            )
    return draws


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
