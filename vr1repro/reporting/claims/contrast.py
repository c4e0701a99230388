"""Ours minus a published number: its value, the parts of its variance, and how many runs would make it tell.

With K trainings of E evaluation seeds, the trainings' means have a variance B of training plus sampling / E, estimated
with K - 1 degrees of freedom. Ours minus one published training that was asked d times has the variance
B (1 + 1/K) + sampling (1/d - 1/E). An arm with one set of weights (the start of a gain) is in every draw of ours alike,
and adds its own sampling times 1/E + 1/d.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.run.scores_by_seed import Draws
from vr1repro.reporting.statistics import parts as study
from vr1repro.reporting.statistics.paired import FEWEST_SEEDS
from vr1repro.reporting.statistics.parts import Part
from vr1repro.reporting.statistics.rounding import fixed, interval

# What would tell is looked for among these; it must call equal recipes reproduced more often than not.
_TRAININGS = (*range(FEWEST_SEEDS, 11), 12, 16, 24, 32)
_RUNS = (2, 4, 8, 16, 32)
_NOTHING = Part(0.0, math.inf)


class Basis(StrEnum):
    """What a difference speaks about, and where its training variance comes from."""

    SAME_WEIGHTS = "the same weights"
    MEASURED = "recipes, training variance measured"
    DECLARED = "recipes, training variance declared"
    WEIGHTS_ONLY = "these weights only"


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """Ours minus a published number.

    Attributes:
        value: In the number's unit.
        parts: Its variance, part by part; empty where a part is not known.
        low: Lower end of its interval; minus infinity where a part is not known.
        trainings: Trainings of ours behind it.
        runs: Evaluation seeds of each, the fewest.
    """

    value: float
    parts: tuple[Part, ...]
    low: float
    high: float
    basis: Basis
    trainings: int
    runs: int


def basis_of(draws: Draws, training_sd: float | None) -> Basis:
    """What draws can speak about."""
    if draws.squares == 0:
        return Basis.SAME_WEIGHTS
    if len(draws.scores) >= FEWEST_SEEDS:
        return Basis.MEASURED
    return Basis.WEIGHTS_ONLY if training_sd is None else Basis.DECLARED


def variance_parts(draws: Draws, training_sd: float | None, published_draws: int | None) -> tuple[Part, ...]:
    """The variance of our mean minus one published draw, or of our mean alone, part by part.

    Args:
        training_sd: Declared standard deviation of training again, for fewer than three trainings.
        published_draws: How often the published model was asked; None: our mean alone.

    Returns:
        Empty where a part is not known.
    """
    groups = list(draws.scores.values())
    trainings, runs = len(groups), min(map(len, groups))
    each = math.fsum(1 / len(group) for group in groups) / trainings
    new, again = (0, 0.0) if published_draws is None else (1, 1 / published_draws)
    sampled, fixed = draws.sampled, draws.fixed
    if trainings == 1 and _differ_too_much(groups[0], draws):
        sampled, fixed = Part(_variance(groups[0]), runs - 1), _NOTHING
    needed = [(fixed, 1 / runs + again)]
    basis = basis_of(draws, training_sd)
    if basis is Basis.MEASURED:
        between = Part(_variance([math.fsum(group) / len(group) for group in groups]), trainings - 1)
        needed += [(between, new + 1 / trainings), (sampled, max(0.0, again - each))]
    else:
        needed.append((sampled, each / trainings + again))
        if basis is Basis.DECLARED and training_sd is not None:
            needed.append((Part(training_sd**2 * draws.squares, math.inf), new + 1 / trainings))
    known = [_times(part, factor) for part, factor in needed if part is not None]
    if len(known) < sum(factor > 0 for _, factor in needed):
        return ()
    return tuple(part for part in known if part.variance > 0) or (_NOTHING,)


def _times(part: Part, factor: float) -> Part:
    return Part(part.variance * factor, part.df)


def _differ_too_much(scores: Sequence[float], draws: Draws) -> bool:
    """Whether something else than sampling changed between the seeds of one training (chance 1 in 1000)."""
    from scipy.special import chdtri

    df = len(scores) - 1
    allowed = sum(part.variance for part in (draws.sampled, draws.fixed) if part is not None)
    return df > 0 and _variance(scores) * df > allowed * float(chdtri(df, 0.001))


def difference_from(published: float, draws: Draws, settings: ReportSettings, *, in_points: bool = True) -> Difference:
    """Ours minus a published number, with its interval.

    Args:
        in_points: The unit is that of `settings.training_sd`.

    Raises:
        ValueError: There is no score.
    """
    if not draws.scores:
        raise ValueError("a difference needs at least one score")
    training_sd = settings.training_sd if in_points else None
    parts = variance_parts(draws, training_sd, settings.published_draws)
    value = our_mean(draws) - published
    half = study.reach(parts, 0.5 + settings.confidence / 2) if parts else math.inf
    groups = draws.scores.values()
    return Difference(
        value=value,
        parts=parts,
        low=value - half,
        high=value + half,
        basis=basis_of(draws, training_sd),
        trainings=len(groups),
        runs=min(map(len, groups)),
    )


def our_mean(draws: Draws) -> float:
    """Mean over trainings of each one's mean."""
    means = [math.fsum(group) / len(group) for group in draws.scores.values()]
    return math.fsum(means) / len(means)


def in_words(difference: Difference) -> str:
    """Value, interval and what is behind it."""
    runs = f"{difference.runs} evaluation seed{'s' * (difference.runs != 1)}"
    trained = f"{difference.trainings} training{'s' * (difference.trainings != 1)}, "
    ours = runs if difference.basis is Basis.SAME_WEIGHTS else trained + runs
    if math.isinf(difference.high):
        return f"{fixed(difference.value, 2, signed=True)} ({ours})"
    return f"{fixed(difference.value, 2, signed=True)} {interval(difference.low, difference.high, 2)} ({ours})"


def would_tell(
    difference: Difference,
    draws: Draws | None = None,
    settings: ReportSettings | None = None,
    margin: float = 0.0,
    rounding: float = 0.0,
) -> str:
    """What would tell: the fewest runs that call equal recipes reproduced more often than not."""
    if difference.basis is Basis.WEIGHTS_ONLY:
        return f"{FEWEST_SEEDS} trainings or more, or a declared training_sd"
    if draws is None or settings is None:
        return "2 evaluation seeds or more"
    same = difference.basis is Basis.SAME_WEIGHTS
    for trainings in (1,) if same else _TRAININGS:
        for runs in _RUNS:
            parts = _expected_parts(draws, settings, trainings, runs)
            if study.chance_called_equal(0.0, parts, settings.confidence, margin, rounding) > 0.5:
                return f"{runs} evaluation seeds" if same else f"{trainings} trainings of {runs} evaluation seeds"
    return f"nothing: the published number's own error is too wide for a margin of {margin:g}"


def _expected_parts(draws: Draws, settings: ReportSettings, trainings: int, runs: int) -> tuple[Part, ...]:
    """The parts that a larger study is expected to have, by what this one saw."""
    groups = list(draws.scores.values())
    sampled, fixed = draws.sampled or _NOTHING, draws.fixed or _NOTHING
    again = 1 / settings.published_draws
    parts = [_times(fixed, 1 / runs + again)]
    if draws.squares:
        if len(groups) >= FEWEST_SEEDS:
            each = math.fsum(1 / len(group) for group in groups) / len(groups)
            means = [math.fsum(group) / len(group) for group in groups]
            training = max(0.0, _variance(means) - sampled.variance * each)
        else:
            training = (settings.training_sd or 0.0) ** 2 * draws.squares
        parts.append(Part((training + sampled.variance / runs) * (1 + 1 / trainings), trainings - 1))
        parts.append(_times(sampled, max(0.0, again - 1 / runs)))
    return tuple(part for part in parts if part.variance > 0) or (_NOTHING,)


def _variance(draws: Sequence[float]) -> float:
    mean = math.fsum(draws) / len(draws)
    return math.fsum((draw - mean) ** 2 for draw in draws) / (len(draws) - 1)
