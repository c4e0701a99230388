"""The judgement of one published claim: a pure function of our draws, the margin and what is known of training.

What is judged is the difference of the two recipes' expected scores on the benchmark's own questions. The published
number is one training of one recipe, answered once (`reporting.published_draws`); ours is the mean of what we ran. Both
have errors, of training again and of sampling again; questions are the same on both sides and cancel.

- *Reproduced* is equivalence: two one-sided tests against the declared margin, each at 1 - confidence (Schuirmann
  1987).
- *Not reproduced*: not that, and the two-sided interval of the difference leaves out 0.
- *Cannot tell*: neither; with the trainings or evaluation seeds that would tell.
- *These weights only*: fewer than three trainings of ours and no declared standard deviation of training. The same is
  then said of the two checkpoints alone, in the reason. Weights that the authors released are their own recipe's.
- *Depends on the scorer*: the rule is applied under every protocol and scoring profile that was run; they disagree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.claims.contrast import Basis, Difference, difference_from, in_words, our_mean, would_tell
from vr1repro.reporting.run.scores_by_seed import Draws, Scorer
from vr1repro.reporting.statistics import parts as study
from vr1repro.reporting.statistics.rounding import percent


class Label(StrEnum):
    """What can be said about a published number.

    Only claims, gains, ranks and bounds get one of the first five, and only phenomena one of the four that follow
    `not run`; both may get `cannot tell`.
    """

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    WEIGHTS_ONLY = "these weights only"
    DEPENDS = "depends on the scorer"
    CANNOT_TELL = "cannot tell"
    NOT_RUN = "not run"
    SHOWN = "shown"
    REVERSED = "reversed"
    CANNOT_BE_SHOWN = "cannot be shown here"
    NOT_COMPARABLE = "micro: not comparable"
    EQUAL = "equal"
    DIFFERS = "differs"
    NOT_STATED = "not stated"
    NO_VERDICT = "no verdict"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What is said of a published number, and what that rests on.

    Attributes:
        label: The judgement in one word.
        reason: The same in one sentence, with its numbers.
        difference: Ours minus the number, where there are draws, under the headline's scorer.
        p_different: Two-sided p value of "no difference".
        p_equal: Larger of the two one-sided p values of "a difference of the margin or more".
        chance_equal: Chance that this study calls equal recipes reproduced, under all scorers.
        power: Chance that it calls a difference of the margin's size not reproduced, under all scorers.
        detectable: Smallest difference that it so calls with a chance of 80 percent.
        of_weights: What is said of the two checkpoints, for `these weights only`.
        would_tell: How many trainings and evaluation seeds would tell, for `cannot tell`.
        by_scorer: What each protocol and profile says alone.
        command: Which command would run it, for `not run`.
    """

    label: Label
    reason: str
    difference: Difference | None = None
    p_different: float | None = None
    p_equal: float | None = None
    chance_equal: float | None = None
    power: float | None = None
    detectable: float | None = None
    of_weights: Label | None = None
    would_tell: str = ""
    by_scorer: Mapping[Scorer, Label] | None = None
    command: str | None = None


def judge(
    published: float,
    draws: Draws,
    settings: ReportSettings,
    *,
    margin: float,
    rounding: float = 0.0,
    in_points: bool = True,
    others: float = 0.0,
) -> Judgement:
    """The judgement of one number under one scorer.

    Args:
        published: The printed value, in the unit of the scores.
        margin: Differences below it do not matter; declared before any result was seen.
        rounding: Half a unit of the last printed digit.
        in_points: As for `difference_from`.
        others: How far apart the means under all scorers lie: power is what all of them together have.

    Raises:
        ValueError: There is no score, or the margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"the margin must be positive: {margin}")
    difference = difference_from(published, draws, settings, in_points=in_points)
    parts, size, level = difference.parts, abs(difference.value), settings.confidence
    if not parts:
        reason = f"{in_words(difference)}: one run has no spread; a verdict needs two evaluation seeds at least"
        return Judgement(
            label=Label.CANNOT_TELL, reason=reason, difference=difference, would_tell=would_tell(difference)
        )
    if size + rounding + study.reach(parts, level) <= margin:
        label, words = Label.REPRODUCED, f"inside the margin of {margin:g}"
    elif size - rounding > study.reach(parts, 0.5 + level / 2):
        label, words = Label.NOT_REPRODUCED, "apart"
    else:
        label, words = Label.CANNOT_TELL, f"neither inside the margin of {margin:g} nor apart"
    reason, of_weights, more = f"{in_words(difference)}: {words}", None, ""
    if difference.basis is Basis.WEIGHTS_ONLY:
        label, of_weights, more = Label.WEIGHTS_ONLY, label, would_tell(difference)
        reason += ", as to these weights; nothing is known of training again"
    elif label is Label.CANNOT_TELL:
        more = would_tell(difference, draws, settings, margin, rounding)
    slack = rounding + others
    return Judgement(
        label=label,
        reason=f"{reason}; would tell: {more}" if more else reason,
        difference=difference,
        p_different=min(1.0, 2 * study.tail(size - rounding, parts)),
        p_equal=study.tail(margin - size - rounding, parts),
        chance_equal=study.chance_called_equal(0.0, parts, level, margin, slack),
        power=study.chance_called_different(margin, parts, level, slack),
        detectable=study.detectable(parts, level, slack),
        of_weights=of_weights,
        would_tell=more,
    )


def over_scorers(
    scorers: Mapping[Scorer, Draws],
    headline: Scorer,
    settings: ReportSettings,
    judge_one: Callable[[Draws, float], Judgement],
) -> Judgement:
    """The judgement that all scorers agree on, else that it depends on them.

    A scorer says nothing that left more than `settings.max_ungraded` of the responses without a verdict, could not read
    `settings.max_unparsable` of those to one benchmark, or could read the arms of a difference unequally well
    (`unparsable_gap`).

    Args:
        headline: Whose difference and reason are given.
        judge_one: The judgement under one scorer, and of how far apart the means of all that speak lie.
    """
    if headline not in scorers:
        return Judgement(label=Label.CANNOT_TELL, reason="no score under the headline's protocol and profile")
    silent = {key: why for key, draws in scorers.items() if (why := _says_nothing(draws, settings))}
    means = [our_mean(draws) for key, draws in scorers.items() if key not in silent] or [0.0]
    first = judge_one(scorers[headline], max(means) - min(means))
    if why := silent.pop(headline, ""):
        return replace(first, label=Label.CANNOT_TELL, reason=f"{why}: no verdict", would_tell="", of_weights=None)
    judged = {key: judge_one(draws, 0.0) for key, draws in scorers.items() if key not in silent}
    labels = {key: judgement.label for key, judgement in judged.items()}
    left_out = "".join(f"; {_named(key)} says nothing: {why}" for key, why in silent.items())
    if len({(judgement.label, judgement.of_weights) for judgement in judged.values()}) == 1:
        return replace(first, reason=first.reason + left_out, by_scorer=labels)
    reasons = "; ".join(f"{_named(key)}: {judgement.reason}" for key, judgement in judged.items())
    label = Label.WEIGHTS_ONLY if first.label is Label.WEIGHTS_ONLY else Label.DEPENDS
    return replace(first, label=label, reason=f"scorers disagree: {reasons}{left_out}", by_scorer=labels, would_tell="")


def _says_nothing(draws: Draws, settings: ReportSettings) -> str:
    if draws.ungraded > settings.max_ungraded:
        return f"{percent(draws.ungraded, 1)} of the responses have no verdict"
    low, high = draws.unparsable
    if (unread := max(high, draws.unread)) > settings.max_unparsable:
        where = "" if unread == high else " to one benchmark"
        return f"{percent(unread, 1)} of the responses{where} could not be read"
    if high - low > settings.unparsable_gap:
        shares = f"{percent(low, 1)} and {percent(high, 1)}"
        return f"{shares} of the arms' responses could not be read, so the scorer favours one of them"
    return ""


def _named(scorer: Scorer) -> str:
    return f"{scorer[0]}, {scorer[1]}"


def not_run(reason: str, command: str | None = None) -> Judgement:
    """The judgement where we have no score."""
    return Judgement(label=Label.NOT_RUN, reason=reason, command=command)
