"""Scores put together: our counterpart of a number that the paper calculated from several of its scores.

A gain over the base, "~6 %" and "0.4 % lower than O1" are sums of scores with weights, some of which are other people's
and stay as they were printed. Draw by draw they are what a verdict on a single score is made of.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.published import Formula, PublishedValue, Target, load_values
from vr1repro.reporting.run.results import Measurement, Missing, Results
from vr1repro.reporting.run.scores import graded, pick
from vr1repro.reporting.run.scores_by_seed import Draws, Scorer, draws_by_scorer, scores_by_seed, weighted_sum
from vr1repro.reporting.run.units import scored
from vr1repro.reporting.statistics.estimate import Estimate, clustered_mean
from vr1repro.reporting.statistics.parts import Part

# Formulas that are sums with weights.
LINEAR = frozenset({Formula.DIFFERENCE, Formula.MEAN, Formula.MEAN_DIFFERENCE})


@dataclass(frozen=True)
class Term:
    """The mean of an arm's scores, with its weight in the sum.

    Attributes:
        names: Benchmarks, or `benchmark:subset`, whose mean is meant.
    """

    arm: str
    names: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class Combination:
    """Terms of ours, and a constant: the weighted sum of the printed numbers that have no arm of ours."""

    terms: tuple[Term, ...]
    constant: float


def combination(value: PublishedValue) -> Combination | None:
    """What a derived value is a sum of; None where it is no sum, or none of its numbers is of an arm of ours."""
    by_id = {one.id: one for one in load_values()}
    weights: dict[tuple[str, float], list[tuple[str, ...]]] = {}
    constant = 0.0
    for operand, weight in _expanded(value, 1.0, by_id):
        names = _names(operand.target)
        if operand.target is None or operand.target.arm is None or not names:
            constant += weight * operand.number
        else:
            weights.setdefault((operand.target.arm, weight), []).append(names)
    terms = tuple(
        Term(arm, tuple(name for part in names for name in part), weight * len(names))
        for (arm, weight), names in weights.items()
    )
    return Combination(terms, constant) if terms else None


def _expanded(
    value: PublishedValue, weight: float, by_id: Mapping[str, PublishedValue]
) -> Iterator[tuple[PublishedValue, float]]:
    """The scores that a value is a sum of, with their weights; a sum of sums is taken apart."""
    check = value.arithmetic
    if value.target is not None or check is None or check.formula not in LINEAR:
        yield value, weight
        return
    operands = [by_id[key] for key in check.operands]
    for operand, share in zip(operands, _shares(check.formula, len(operands)), strict=True):
        yield from _expanded(operand, weight * share, by_id)


def _shares(formula: Formula, n: int) -> list[float]:
    if formula is Formula.MEAN:
        return [1 / n] * n
    pairs = n // 2
    return [1 / pairs, -1 / pairs] * pairs


def _names(target: Target | None) -> tuple[str, ...]:
    if target is None or target.quantity != "accuracy" or target.step is not None:
        return ()
    return target.of or (target.benchmark if target.subset == "overall" else f"{target.benchmark}:{target.subset}",)


def measure_combination(results: Results, sum_of: Combination) -> Measurement | Missing:
    """A run's counterpart, draw by draw, with its interval over questions.

    A draw of it is one training seed and one evaluation seed of every arm; arms without a training seed of ours are the
    same in all. Scorers that did not score every arm are left out.
    """
    for term in sum_of.terms:
        if term.arm not in results.arms:
            return Missing(f"no arm `{term.arm}` in this config")
        if not scores_by_seed(results.final(term.arm), term.names):
            info = results.arms[term.arm]
            return Missing(f"{info.label}: not evaluated on {', '.join(term.names)}", info.command)
    every = [_by_scorer(results, term) for term in sum_of.terms]
    draws = {
        scorer: _summed(results, sum_of, [side[scorer] for side in every])
        for scorer in dict.fromkeys(key for side in every for key in side)
        if all(scorer in side for side in every)
    }
    scorers = {scorer: summed for scorer, summed in draws.items() if summed.scores}
    if results.scorer not in scorers:
        return Missing("its arms have no training seed in common")
    return Measurement(estimate=_estimate(results, sum_of), scorers=scorers)


def _by_scorer(results: Results, term: Term) -> Mapping[Scorer, Draws]:
    frame = results.frame
    ends = frame[(frame["arm"] == term.arm) & frame["final"]]
    return draws_by_scorer(ends, term.names, trained=not results.released(term.arm))


def _summed(results: Results, sum_of: Combination, sides: Sequence[Draws]) -> Draws:
    """The terms' draws under one scorer, summed."""
    terms = list(zip(sum_of.terms, sides, strict=True))
    common = [set(side.scores) for term, side in terms if not results.released(term.arm)]
    scores = {}
    for seed in sorted(set.intersection(*common)) if common else [0]:
        columns = [
            next(iter(side.scores.values())) if results.released(term.arm) else side.scores[seed]
            for term, side in terms
        ]
        scores[seed] = [
            sum_of.constant + math.fsum(term.weight * score for (term, _), score in zip(terms, row, strict=True))
            for row in zip(*columns, strict=False)  # as many as the arm with the fewest evaluation seeds has
        ]
    return Draws(
        scores=scores,
        sampled=_total([(term.weight**2, side.sampled) for term, side in terms]),
        fixed=_total([(term.weight**2, side.fixed) for term, side in terms]),
        squares=math.fsum(term.weight**2 * side.squares for term, side in terms),
        ungraded=max(side.ungraded for side in sides),
        unparsable=(min(side.unparsable[0] for side in sides), max(side.unparsable[1] for side in sides)),
        unread=max(side.unread for side in sides),
    )


def _total(parts: Sequence[tuple[float, Part | None]]) -> Part | None:
    """A sum of variances with weights; None where one is not known."""
    known = [(weight, part) for weight, part in parts if part is not None]
    return weighted_sum(known) if len(known) == len(parts) else None


def _estimate(results: Results, sum_of: Combination) -> Estimate:
    """The sum with its interval over questions, each question's own sum taken over the arms that answered it."""
    sides = [_question_means(results.final(term.arm), term.names) * term.weight for term in sum_of.terms]
    table = pd.concat(sides, axis=1, join="inner").sum(axis=1)
    names, strata = table.index.get_level_values("name"), table.index.get_level_values("stratum")
    groups = list(zip(names, strata, strict=True))
    of_name = pd.Series(dict.fromkeys(groups, 0)).groupby(level=0).size()
    estimate = clustered_mean(
        table.to_numpy(),
        table.index.get_level_values("cluster").to_numpy(),
        confidence=results.settings.confidence,
        strata=groups,
        weights={group: 1.0 / float(of_name[group[0]]) for group in set(groups)},
    ).scaled(100)
    shifted = {name: getattr(estimate, name) + sum_of.constant for name in ("value", "low", "high")}
    return replace(estimate, **shifted)


def _question_means(rows: pd.DataFrame, names: Sequence[str]) -> "pd.Series[float]":
    """Mean correctness of each question over seeds; a question of two named parts stands in both."""
    parts = []
    for name in names:
        benchmark, _, subset = name.partition(":")
        counted = graded(scored(rows[(rows["benchmark"] == benchmark) & (rows["stratum"] != EXCLUDED)]))
        part = pick(counted, subset or "overall")
        right = part["correct"].to_numpy().astype(np.float64)
        cluster = part["benchmark"].astype(str) + "/" + part["cluster"].astype(str)
        keyed = part[["id", "stratum"]].assign(name=name, cluster=cluster, right=right)
        means: pd.Series[float] = keyed.groupby(["name", "stratum", "cluster", "id"])["right"].mean()
        parts.append(means)
    together: pd.Series[float] = pd.concat(parts)
    return together
