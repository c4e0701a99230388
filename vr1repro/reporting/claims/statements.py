"""Judgements of statements that give no plain value: a bound ("over 10 %") and a place ("ranks Top-1").

Both are about the recipe's expected score, and rest on the interval of our mean: the statement itself is no draw.
"""

from collections.abc import Callable, Sequence

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.claims.contrast import Basis, basis_of, our_mean, variance_parts
from vr1repro.reporting.claims.judgement import Judgement, Label
from vr1repro.reporting.run.scores_by_seed import Draws
from vr1repro.reporting.statistics import parts as study
from vr1repro.reporting.statistics.paired import FEWEST_SEEDS
from vr1repro.reporting.statistics.rounding import fixed


def judge_bound(bound: float, draws: Draws, settings: ReportSettings) -> Judgement:
    """Whether our recipe's expected score lies over a bound, under it, or cannot be told."""

    def where(low: float, high: float) -> tuple[Label, str]:
        label = Label.REPRODUCED if low > bound else Label.NOT_REPRODUCED if high < bound else Label.CANNOT_TELL
        places = {Label.REPRODUCED: "over", Label.NOT_REPRODUCED: "under", Label.CANNOT_TELL: "on both sides of"}
        return label, f"{places[label]} {bound:g}"

    return _judge(draws, settings, where)


def judge_rank(rank: float, others: Sequence[float], draws: Draws, settings: ReportSettings) -> Judgement:
    """Which place our recipe takes among the printed scores of others, the largest in place 1."""

    def where(low: float, high: float) -> tuple[Label, str]:
        best, worst = place_among(high, others), place_among(low, others)
        words = f"{f'place {best}' if best == worst else f'places {best} to {worst}'} of {len(others) + 1}"
        if best == worst == rank:
            return Label.REPRODUCED, f"{words}, the others as printed"
        label = Label.CANNOT_TELL if best <= rank <= worst else Label.NOT_REPRODUCED
        return label, f"{words}, the others as printed"

    return _judge(draws, settings, where)


def place_among(score: float, others: Sequence[float]) -> int:
    """The place of a score, the largest in place 1."""
    return 1 + sum(other > score for other in others)


def _judge(draws: Draws, settings: ReportSettings, where: Callable[[float, float], tuple[Label, str]]) -> Judgement:
    parts, mean = variance_parts(draws, settings.training_sd, None), our_mean(draws)
    if not parts:
        reason = f"{fixed(mean, 2)}: one run has no spread; a verdict needs two evaluation seeds at least"
        return Judgement(label=Label.CANNOT_TELL, reason=reason, would_tell="2 evaluation seeds or more")
    half = study.reach(parts, 0.5 + settings.confidence / 2)
    label, words = where(mean - half, mean + half)
    reason = f"{fixed(mean, 2)} +- {fixed(half, 2)} expected: {words}"
    if basis_of(draws, settings.training_sd) is not Basis.WEIGHTS_ONLY:
        return Judgement(label=label, reason=reason)
    more = f"{FEWEST_SEEDS} trainings or more, or a declared training_sd"
    reason += f", as to these weights; nothing is known of training again; would tell: {more}"
    return Judgement(label=Label.WEIGHTS_ONLY, of_weights=label, reason=reason, would_tell=more)
