"""One row for every published number: its class, ours, the difference and what can be said about it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.config.reporting import ReportSettings
from vr1repro.published import Formula, PublishedValue, Status, Target, ValueClass, disagreements, load_values
from vr1repro.reporting.claims.contrast import Difference, difference_from
from vr1repro.reporting.claims.judgement import Judgement, Label, judge, not_run, over_scorers
from vr1repro.reporting.claims.phenomena import phenomenon
from vr1repro.reporting.claims.statements import judge_bound, judge_rank, place_among
from vr1repro.reporting.run.combined import LINEAR, Combination, combination, measure_combination
from vr1repro.reporting.run.results import MICRO_NOTE, Measurement, Missing, Results
from vr1repro.reporting.run.scores_by_seed import Draws
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import fixed, settled


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A published number beside ours.

    Attributes:
        judgement: What can be said of it.
        ours: Our estimate, None where there is none.
        setting: Our value of a setting, None for scores.
        drawn: Ours minus the paper's with its interval over training and sampling again; None where there is one draw.
        margin: The declared margin, in the number's unit; None where no verdict was tried.
    """

    published: PublishedValue
    judgement: Judgement
    ours: Estimate | None = None
    setting: Any = None
    drawn: Difference | None = None
    margin: float | None = None

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.ours is None else self.ours.value - self.published.number

    @property
    def interval(self) -> tuple[float, float] | None:
        """The difference's interval: over training and sampling again; with one draw, over other questions.

        The second takes both numbers for scores on questions of their own, since the paper's answers are not known: it
        is wider than that of a paired difference. No verdict rests on it.
        """
        if self.difference is None or self.ours is None:
            return None
        if self.drawn is not None:
            return self.drawn.low, self.drawn.high
        half = (self.ours.high - self.ours.low) / math.sqrt(2)
        return self.difference - half, self.difference + half

    @property
    def interval_over(self) -> str:
        """What the interval is over."""
        return "" if self.interval is None else "questions" if self.drawn is None else self.drawn.basis.value


def compare_published(
    values: Iterable[PublishedValue], results: Results, our_settings: Mapping[str, Any] | None = None
) -> list[Comparison]:
    """Compare every published value; none is dropped.

    Args:
        our_settings: Our value of a published setting, by the published id. A setting that it lacks is `not stated`.
    """
    return [_compare(value, results, our_settings or {}) for value in values]


def _compare(value: PublishedValue, results: Results, our_settings: Mapping[str, Any]) -> Comparison:
    if value.value_class is ValueClass.SETTING:
        return _compare_setting(value, our_settings)
    # Tables, figures and page ask for the same numbers; a verdict under several scorers takes a while.
    key = value.id, value.value, value.target
    if key not in results.compared:
        results.compared[key] = _compare_result(value, results)
    compared: Comparison = results.compared[key]
    return compared


def _compare_result(value: PublishedValue, results: Results) -> Comparison:
    if value.value_class is ValueClass.PHENOMENON:
        return Comparison(published=value, judgement=phenomenon(value, results).judgement)
    measured, margin = _measure(value, results), None
    if value.value_class is ValueClass.SCORE_FILE and isinstance(measured, Measurement):
        judgement = _as_in_the_file(value, measured.estimate)
    elif not gets_verdict(value):
        judgement = Judgement(label=Label.NO_VERDICT, reason=_why_no_verdict(value))
    elif not results.comparable:
        judgement = Judgement(label=Label.NOT_COMPARABLE, reason=MICRO_NOTE)
    elif isinstance(measured, Missing):
        judgement = not_run(measured.reason, measured.command)
    else:
        margin = _margin(value, results.settings)
        judgement = _judge(value, measured, margin, results)
    ours = drawn = None
    if isinstance(measured, Measurement):
        ours = _as_place(value, measured.estimate) if _is_rank(value) else measured.estimate
        drawn = None if _is_rank(value) else _drawn(value, measured, results)
    return Comparison(published=value, judgement=judgement, ours=ours, drawn=drawn, margin=margin)


def _drawn(value: PublishedValue, measured: Measurement, results: Results) -> Difference | None:
    """Ours minus a published number over draws; None where they do not give an interval."""
    draws = measured.scorers.get(results.scorer)
    if draws is None:
        return None
    difference = difference_from(value.number, draws, results.settings, in_points=_in_points(value))
    return difference if difference.parts else None


def _as_in_the_file(value: PublishedValue, ours: Estimate) -> Judgement:
    """Whether a score is that of a score file, but for the file's rounding."""
    apart = settled(ours.value - value.number)
    if abs(apart) <= settled(value.rounding or 0.0):
        return Judgement(label=Label.EQUAL, reason="equal within the file's rounding")
    return Judgement(label=Label.DIFFERS, reason=f"{fixed(float(apart), 2, signed=True)} from the file's")


def gets_verdict(value: PublishedValue) -> bool:
    """Whether a number gets a verdict: claims, and of derived ones gains, bounds and places of the paper's models.

    Means of printed numbers get none of their own, nor do numbers that no arm of ours is behind.
    """
    if value.value_class is ValueClass.CLAIM:
        return True
    return value.value_class is ValueClass.DERIVED and (_is_rank(value) or _sum_of(value) is not None)


def _is_rank(value: PublishedValue) -> bool:
    return value.arithmetic is not None and value.arithmetic.formula is Formula.RANK


@cache
def _sum_of(value: PublishedValue) -> Combination | None:
    """The sum of scores that a derived value without a score of its own is."""
    check = value.arithmetic
    return None if check is None or value.target is not None or check.formula not in LINEAR else combination(value)


def _measure(value: PublishedValue, results: Results) -> Measurement | Missing:
    """Our counterpart: of a place the score that takes it."""
    if value.value_class is not ValueClass.DERIVED:
        return results.measure(value.target)
    if _is_rank(value):
        return results.measure(_operands(value)[0].target)
    sum_of = _sum_of(value)
    return results.measure(value.target) if sum_of is None else measure_combination(results, sum_of)


def targets_behind(value: PublishedValue) -> list[Target]:
    """Which of our results a number is compared with: its own target, or those of the scores that it comes from."""
    if _is_rank(value):
        return [target for target in [_operands(value)[0].target] if target is not None]
    if value.value_class is ValueClass.DERIVED and (sum_of := _sum_of(value)) is not None:
        return [Target(arm=t.arm, benchmark="average", quantity="accuracy", of=t.names) for t in sum_of.terms]
    return [] if value.target is None else [value.target]


def _operands(value: PublishedValue) -> list[PublishedValue]:
    by_id = {one.id: one for one in load_values()}
    return [by_id[key] for key in value.arithmetic.operands] if value.arithmetic else []


def _as_place(value: PublishedValue, ours: Estimate) -> Estimate:
    """Our place among the printed scores of others, with the places at both ends of the interval."""
    others = [one.number for one in _operands(value)[1:]]
    places = {
        "value": place_among(ours.value, others),
        "low": place_among(ours.high, others),
        "high": place_among(ours.low, others),
    }
    return replace(ours, **places, stderr=math.nan, method=f"place among {len(others) + 1}; {ours.method}")


def _judge(value: PublishedValue, measured: Measurement, margin: float, results: Results) -> Judgement:
    if not measured.scorers:
        reason = "one count or log, without independent draws: a difference is shown, no verdict is possible"
        return Judgement(label=Label.CANNOT_TELL, reason=reason)
    settings = results.settings

    def judge_one(draws: Draws, others: float) -> Judgement:
        if _is_rank(value):
            return judge_rank(value.number, [one.number for one in _operands(value)[1:]], draws, settings)
        if value.relation == "over":
            return judge_bound(value.number, draws, settings)
        return judge(
            value.number,
            draws,
            settings,
            margin=margin,
            rounding=value.rounding or 0.0,
            in_points=_in_points(value),
            others=others,
        )

    return over_scorers(measured.scorers, results.scorer, settings, judge_one)


def _in_points(value: PublishedValue) -> bool:
    """Whether it is a score or a difference of scores, in percentage points."""
    return value.target is None or value.target.quantity in ("accuracy", "proportion")


def _margin(value: PublishedValue, settings: ReportSettings) -> float:
    """The declared margin; of a gain that of its benchmark, or of the average."""
    if value.value_class is ValueClass.DERIVED:
        names = {name for term in sum_of.terms for name in term.names} if (sum_of := _sum_of(value)) else set()
        return settings.margin(names.pop().partition(":")[0] if len(names) == 1 else "average")
    if value.target is not None and value.target.quantity == "score":
        return settings.margin(value.target.benchmark, lookup.facts(value.target.benchmark).out_of)
    if value.target is None or not _in_points(value):
        return settings.relative_margin * abs(value.number)
    return settings.margin(value.target.benchmark)


def _compare_setting(value: PublishedValue, our_settings: Mapping[str, Any]) -> Comparison:
    if value.id not in our_settings:
        judgement = Judgement(label=Label.NOT_STATED, reason="this run's config has no such value")
        return Comparison(published=value, judgement=judgement)
    ours = our_settings[value.id]
    if _same(ours, value.value):
        label, remark = Label.EQUAL, ""
    elif _within_rounding(ours, value):
        label, remark = Label.EQUAL, ", equal within the print's rounding"
    else:
        label, remark = Label.DIFFERS, _printed_elsewhere(value, ours)
    judgement = Judgement(label=label, reason=f"paper {value.value}, this run {ours}{remark}")
    return Comparison(published=value, judgement=judgement, setting=ours)


def _printed_elsewhere(value: PublishedValue, ours: Any) -> str:
    """That ours is what the paper says elsewhere, where it disagrees with itself."""
    for place in disagreements():
        if value.id in place.prints and any(_same(ours, other.value) for other in place.values):
            return f", which the paper prints elsewhere: {place.says}"
    return ""


def _same(ours: Any, theirs: float | str) -> bool:
    """Equal as numbers, with `4K` read as 4096, or as text."""
    return _number(ours) == _number(theirs) if _number(ours) is not None else str(ours) == str(theirs)


def _within_rounding(ours: Any, value: PublishedValue) -> bool:
    """Whether ours would be printed as the paper prints it; a size of "200K" is known to the thousand."""
    number = _number(ours)
    return value.rounding is not None and number is not None and abs(number - value.number) <= value.rounding


def _number(value: Any) -> float | None:
    text = str(value).strip()
    factor = 1024 if text[-1:] in ("K", "k") else 1
    try:
        return float(text[:-1] if factor > 1 else text) * factor
    except ValueError:
        return None


def _why_no_verdict(value: PublishedValue) -> str:
    if value.value_class is ValueClass.SCORE_FILE:
        return "of a score file, and no such score here"
    if value.value_class is ValueClass.QUOTED_BASELINE:
        return "quoted baseline: who measured it and how is not stated"
    if value.value_class is ValueClass.DIGITISED:
        return "read off a printed curve: drawn as a ghost, not judged"
    if value.value_class is ValueClass.EXAMPLE:
        return "one printed example: there is no statistic to judge"
    check = value.arithmetic
    if check is None:
        return "derived; the numbers that it was derived from are not printed"
    if check.status is Status.DISAGREES:
        return f"derived; the printed numbers give {check.computed:g}, the paper prints {value.number:g}"
    return f"derived; arithmetic {check.status.value}: the {check.formula} of the printed numbers is {check.computed:g}"


@dataclass(frozen=True)
class Contradiction:
    """Prints of what should be one number that differ."""

    what: str
    prints: tuple[PublishedValue, ...]


def contradictions(values: Iterable[PublishedValue]) -> list[Contradiction]:
    """Numbers that the paper's versions and its README print differently, without digitised ones and third parties."""
    prints: dict[tuple[str, ...], list[PublishedValue]] = {}
    for value in values:
        if value.value_class is ValueClass.DIGITISED or "third-party" in value.version:
            continue
        model = value.model.removesuffix(" (Ours)").partition(" vs ")[0]
        subset = {"Overall; Avg": "Overall"}.get(value.subset, value.subset)
        prints.setdefault((model, value.benchmark, subset, value.metric), []).append(value)
    return [
        Contradiction(" ".join(part for part in key if part), tuple(same))
        for key, same in prints.items()
        if len({value.value for value in same}) > 1
    ]


def _scorers_in_words(judged: Judgement) -> str | None:
    labels = judged.by_scorer or {}
    return "; ".join(f"{protocol}, {profile}: {label.value}" for (protocol, profile), label in labels.items()) or None


def as_table(rows: Iterable[Comparison]) -> pd.DataFrame:
    """The comparison as a flat table, one row for each published value."""
    flat = []
    for row in rows:
        value, judged = row.published, row.judgement
        flat.append(
            {
                "id": value.id,
                "class": value.value_class.value,
                "version": value.version,
                "table": value.table,
                "model": value.model,
                "benchmark": value.benchmark,
                "subset": value.subset,
                "metric": value.metric,
                "paper": value.value,
                "ours": row.setting if row.ours is None else row.ours.value,
                **dict.fromkeys(("n", "clusters", "stderr", "low", "high", "method")),
                **({} if row.ours is None else {k: v for k, v in asdict(row.ours).items() if k != "value"}),
                "difference": row.difference,
                **dict(zip(("difference_low", "difference_high"), row.interval or (None, None), strict=True)),
                "difference_over": row.interval_over or None,
                "verdict": judged.label.value,
                "reason": judged.reason,
                "of_these_weights": judged.of_weights.value if judged.of_weights else None,
                "by_scorer": _scorers_in_words(judged),
                "would_tell": judged.would_tell or None,
                "margin": row.margin,
                "trainings": row.drawn.trainings if row.drawn else None,
                "eval_seeds": row.drawn.runs if row.drawn else None,
                "p_different": judged.p_different,
                "p_equal": judged.p_equal,
                "chance_equal": judged.chance_equal,
                "power_at_margin": judged.power,
                "detectable": judged.detectable,
                "command": judged.command,
                "note": value.note,
                "source": value.source,
            }
        )
    return pd.DataFrame(flat)
