"""The judgement of one published claim: a pure function of our seeds' scores, the declared margin and the grader band.

The rule. The published number is one more draw of the same experiment on the same questions, so that item sampling
cancels and the noise is that of training and decoding. It is compared with a prediction interval for one new draw
(Hahn and Meeker 1991): m +- t(df) * s * sqrt(1 + 1/K) for K draws of mean m and standard deviation s. With one
training, s is that of sampling and comes from the questions' own disagreement (`scores_by_seed.item_spread`), with
hundreds of degrees of freedom; with several trainings it is theirs, with K - 1. An interval wider than the declared
margin carries no verdict, whatever the value, nor do one draw or two trainings.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from vr1repro.reporting.run.scores_by_seed import Spread
from vr1repro.reporting.statistics import power as study
from vr1repro.reporting.statistics.paired import FEWEST_SEEDS

TRAINING = "training seed"


class Label(StrEnum):
    """What can be said about a published number.

    Only claims, gains, ranks and bounds get one of the first five, and only phenomena one of the four that follow.
    """

    REPRODUCED = "reproduced"
    CONSISTENT = "consistent"
    NOT_REPRODUCED = "not reproduced"
    UNDERPOWERED = "underpowered"
    NOT_RUN = "not run"
    SHOWN = "shown"
    REVERSED = "reversed"
    CANNOT_TELL = "cannot tell"
    CANNOT_BE_SHOWN = "cannot be shown here"
    NOT_COMPARABLE = "micro: not comparable"
    EQUAL = "equal"
    DIFFERS = "differs"
    NOT_STATED = "not stated"
    NO_VERDICT = "no verdict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """Where one new draw of our experiment would fall.

    Attributes:
        half_width: Half the interval's width; infinite where there is no spread to estimate.
        draws: Independent draws behind it: training seeds, or evaluation seeds of one training.
        unit: What one draw is.
        scale: Standard error of prediction, sqrt of the new draw's variance plus that of the mean.
        df: Degrees of freedom of the standard error.
        smallest: Smallest of the draws.
    """

    mean: float
    half_width: float
    draws: int
    unit: str
    scale: float
    df: float
    smallest: float
    largest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What is said of a published number, and what that rests on.

    Attributes:
        label: The judgement in one word.
        reason: The same in one sentence, with its numbers.
        prediction: The interval, where there was one.
        power: Chance that this study would have called a shift of the margin's size "not reproduced".
        detectable: Smallest shift that it would have seen with a chance of 80 percent.
        command: Which command would run it, for `not run`.
    """

    label: Label
    reason: str
    prediction: Prediction | None = None
    power: float | None = None
    detectable: float | None = None
    command: str | None = None


def predict(
    scores: Mapping[int, Sequence[float]], confidence: float = 0.95, sampling: Spread | None = None
) -> Prediction:
    """Prediction interval for one new score.

    With several training seeds the draw is a training seed with one evaluation seed: the variance of a new draw is
    that between trainings plus that within (balanced one-way random effects), on (trainings - 1) degrees of freedom.
    That is exact for one evaluation seed a training and cautious for more: Satterthwaite's degrees of freedom would be
    narrower, and cover too rarely with two or three trainings (`bench/calibration.py`).
    With one training it is an evaluation seed, and the interval says nothing about training again.

    Args:
        scores: Scores by training seed, one for each evaluation seed.
        sampling: With one training, its spread from the questions' own disagreement. It is not used where the scores
            differ by more than it allows (chance 1 in 1000): then something else than sampling changed between them.

    Raises:
        ValueError: There is no score.
    """
    from scipy.special import chdtri, stdtrit

    groups = [list(draws) for draws in scores.values() if len(draws)]
    if not groups:
        raise ValueError("a prediction needs at least one score")
    if len(groups) == 1:
        means, within, unit = groups[0], 0.0, "evaluation seed"
    else:
        means, unit = [sum(draws) / len(draws) for draws in groups], TRAINING
        # A group's mean has only 1/E of the decoding variance; a single published draw has all of it.
        spare = [_variance(draws) * (1 - 1 / len(draws)) for draws in groups if len(draws) > 1]
        within = sum(spare) / len(spare) if spare else 0.0
    k, mean = len(means), sum(means) / len(means)
    summary: dict[str, Any] = {"mean": mean, "draws": k, "unit": unit, "smallest": min(means), "largest": max(means)}
    if k < 2:
        return Prediction(**summary, half_width=math.inf, scale=math.inf, df=0)
    between, df = _variance(means), float(k - 1)
    if sampling is not None and len(groups) == 1 and between * df <= sampling.variance * float(chdtri(df, 0.001)):
        between, df = sampling.variance, sampling.df
    scale = math.sqrt(between * (1 + 1 / k) + within)
    return Prediction(**summary, half_width=float(stdtrit(df, 0.5 + confidence / 2)) * scale, scale=scale, df=df)


def judge(
    published: float,
    scores: Mapping[int, Sequence[float]],
    *,
    margin: float,
    rounding: float = 0.0,
    band: tuple[float, float] = (0.0, 0.0),
    confidence: float = 0.95,
    sampling: Spread | None = None,
) -> Judgement:
    """The judgement of one claim.

    Args:
        published: The printed value, in the unit of the scores.
        scores: Our scores by training seed, one for each evaluation seed.
        margin: Declared half-width; a wider interval is judged underpowered.
        rounding: Half a unit of the last printed digit.
        band: How far other graders and protocols move our mean: lowest (<= 0) and highest (>= 0) shift.

    Raises:
        ValueError: There is no score, or margin or band is impossible.
    """
    if margin <= 0 or band[0] > 0 or band[1] < 0:
        raise ValueError(f"margin must be positive and the band hold 0: margin {margin}, band {band}")
    prediction = predict(scores, confidence, sampling)
    power = study.power(margin, prediction.scale, prediction.df, confidence)
    detectable = study.detectable(prediction.scale, prediction.df, confidence)
    judgement = partial(Judgement, prediction=prediction, power=power, detectable=detectable)
    if math.isinf(prediction.half_width):
        reason = f"one {prediction.unit} has no spread; a verdict needs at least two"
        return judgement(label=Label.UNDERPOWERED, reason=reason)
    if prediction.unit == TRAINING and prediction.draws < FEWEST_SEEDS:
        reason = (
            f"{prediction.draws} training seeds give a range, {prediction.smallest:.2f} to {prediction.largest:.2f}; a"
            f" verdict on training needs {FEWEST_SEEDS}"
        )
        return judgement(label=Label.UNDERPOWERED, reason=reason, power=0.0, detectable=math.inf)
    width = f"{prediction.mean:.2f} +- {prediction.half_width:.2f}"
    plain = f"{width} for one new draw, {prediction.draws} {prediction.unit}s"
    if prediction.half_width > margin:
        reason = f"{plain}: wider than the declared margin of {margin:g}"
        return judgement(label=Label.UNDERPOWERED, reason=reason)
    low = prediction.mean - prediction.half_width - rounding
    high = prediction.mean + prediction.half_width + rounding
    if low <= published <= high:
        return judgement(label=Label.REPRODUCED, reason=f"inside {plain}")
    if low + band[0] <= published <= high + band[1]:
        reason = f"outside {plain}, inside with the grader and protocol band {band[0]:+.2f} to {band[1]:+.2f}"
        return judgement(label=Label.CONSISTENT, reason=reason)
    reason = f"outside {plain} and its bands; a shift of {margin:g} is seen with a chance of {power:.0%}"
    return judgement(label=Label.NOT_REPRODUCED, reason=reason)


def not_run(reason: str, command: str | None = None) -> Judgement:
    """The judgement where we have no score."""
    return Judgement(label=Label.NOT_RUN, reason=reason, command=command)


def _variance(draws: Sequence[float]) -> float:
    mean = sum(draws) / len(draws)
    return sum((draw - mean) ** 2 for draw in draws) / (len(draws) - 1)
