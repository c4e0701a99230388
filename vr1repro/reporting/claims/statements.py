"""Judgements of statements that give no plain value: a bound ("over 10 %") and a place ("ranks Top-1").

Both rest on the prediction interval of one new draw (`judgement.predict`), as a plain number's does.
"""

import math
from collections.abc import Mapping, Sequence

from vr1repro.reporting.claims.judgement import TRAINING, Judgement, Label, Prediction, predict
from vr1repro.reporting.run.scores_by_seed import Spread
from vr1repro.reporting.statistics.paired import FEWEST_SEEDS


def judge_bound(
    bound: float, scores: Mapping[int, Sequence[float]], *, confidence: float, sampling: Spread | None = None
) -> Judgement:
    """Whether one new draw of ours would lie over a bound, under it, or on either side."""
    prediction = predict(scores, confidence, sampling)
    if (short := _too_few(prediction)) is not None:
        return short
    low, high = prediction.mean - prediction.half_width, prediction.mean + prediction.half_width
    label = Label.REPRODUCED if low > bound else Label.NOT_REPRODUCED if high < bound else Label.UNDERPOWERED
    place = {Label.REPRODUCED: "over", Label.NOT_REPRODUCED: "under"}.get(label, "on both sides of")
    return Judgement(label=label, reason=f"{_draw_in_words(prediction)}: {place} {bound:g}", prediction=prediction)


def judge_rank(
    rank: float,
    others: Sequence[float],
    scores: Mapping[int, Sequence[float]],
    *,
    confidence: float,
    sampling: Spread | None = None,
) -> Judgement:
    """Which place one new draw of ours would take among the printed scores of others, the largest in place 1."""
    prediction = predict(scores, confidence, sampling)
    if (short := _too_few(prediction)) is not None:
        return short
    best = place_among(prediction.mean + prediction.half_width, others)
    worst = place_among(prediction.mean - prediction.half_width, others)
    if best == worst == rank:
        label = Label.REPRODUCED
    else:
        label = Label.UNDERPOWERED if best <= rank <= worst else Label.NOT_REPRODUCED
    places = f"place {best}" if best == worst else f"places {best} to {worst}"
    reason = f"{_draw_in_words(prediction)}: {places} of {len(others) + 1}, the others as printed"
    return Judgement(label=label, reason=reason, prediction=prediction)


def place_among(score: float, others: Sequence[float]) -> int:
    """The place of a score, the largest in place 1."""
    return 1 + sum(other > score for other in others)


def _too_few(prediction: Prediction) -> Judgement | None:
    if math.isinf(prediction.half_width):
        reason = f"one {prediction.unit} has no spread; a verdict needs at least two"
    elif prediction.unit == TRAINING and prediction.draws < FEWEST_SEEDS:
        reason = f"{prediction.draws} training seeds; a verdict on training needs {FEWEST_SEEDS}"
    else:
        return None
    return Judgement(label=Label.UNDERPOWERED, reason=reason, prediction=prediction)


def _draw_in_words(prediction: Prediction) -> str:
    width = f"{prediction.mean:.2f} +- {prediction.half_width:.2f}"
    return f"{width} for one new draw, {prediction.draws} {prediction.unit}s"
