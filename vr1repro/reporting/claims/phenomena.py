"""Phenomena: sentences of the paper that say in which direction something goes, each with a statistic and a label.

The rule. A statistic is one number for each training seed, a difference of two points of training or a slope, and the
sentence says its sign. Over seeds it has a t interval (`statistics.paired.seed_difference`). A phenomenon is *shown*
where every statistic of it lies beyond zero on the stated side, each at the level of the report; *reversed* where one
lies beyond zero on the other side, at that level divided by the number of its statistics; else one *cannot tell*. So
where nothing goes in either direction, each of the first two is said in at most half of (1 - confidence), 2.5 % by
default, whatever the number of statistics (`tests/unit/reporting/claims/test_phenomena.py` simulates it). Fewer than
three training seeds never tell. It *cannot be shown here* where the run has nothing to say: an arm, log or checkpoint
is missing, or there is no word to count. No scale is needed: micro may show a phenomenon, of its own world.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from vr1repro.published import PublishedValue, ValueClass, load_values
from vr1repro.reporting.claims.judgement import Judgement, Label
from vr1repro.reporting.run.points import Point, Quantity
from vr1repro.reporting.run.results import Missing, Results
from vr1repro.reporting.statistics.paired import FEWEST_SEEDS, SeedDifference, seed_difference
from vr1repro.reporting.statistics.rounding import fixed, interval


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A number of which a phenomenon says the sign.

    Attributes:
        what: In words.
        sign: +1 or -1, as the sentence says.
        quantity: What is measured.
        after: Where it is measured.
        before: What is subtracted; None where the quantity is a slope.
        printed: Ids of the paper's own numbers for the same: after, before; what several ids print is added up.
    """

    what: str
    sign: int
    quantity: Quantity
    after: Point
    before: Point | None = None
    printed: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    @property
    def by_the_paper(self) -> float | None:
        """The statistic from the paper's own printed numbers, None where it prints none."""
        after, before = (sum(_PRINTED[key] for key in keys) for keys in self.printed)
        return after - before if self.printed[0] else None


_PRINTED: Mapping[str, float] = {value.id: value.number for value in load_values() if not isinstance(value.value, str)}
_CAPTION = "v1-v4-readme.fig-1-caption"
_ZERO, _LONG, _PTST, _STAGE3 = "vision-r1-zero", "vision-r1-long", "vision-r1-ours", "vision-r1"


def _curve(letter: str, model: str, step: int) -> str:
    metric = {"d": "avg-cot-length-tokens", "e": "avg-benchmark-accuracy-pct"}[letter]
    return f"v1.fig-1{letter}.{model}.rl-training-curve.step-{step}.{metric}"


def _words(model: str) -> tuple[str, ...]:
    return tuple(
        f"v1.fig-1c.{model}.mathverse.50-samples-word-{word}.count" for word in ("wait", "hmm", "alternatively")
    )


def _change(
    what: str, sign: int, quantity: Quantity, points: tuple[Point, Point], curve: tuple[str, int, int] | None = None
) -> Statistic:
    """A difference of two points, after minus before; `curve` names the printed curve and its two steps."""
    printed: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    if curve is not None:
        letter = "d" if quantity is Quantity.LENGTH else "e"
        model, first, last = curve
        printed = (_curve(letter, model, last),), (_curve(letter, model, first),)
    after, before = points
    return Statistic(what=what, sign=sign, quantity=quantity, after=after, before=before, printed=printed)


PHENOMENA: Mapping[str, tuple[Statistic, ...]] = {
    f"{_CAPTION}.vision-r1-ci.long-chains-are-less-accurate.phenomenon": (
        Statistic(
            what="accuracy of Vision-R1-CI on MathVerse for each doubling of a response's tokens",
            sign=-1,
            quantity=Quantity.LENGTH_EFFECT,
            after=Point("ci"),
        ),
    ),
    f"{_CAPTION}.vision-r1-long.lengthens.phenomenon": (
        _change(
            "tokens in Long's log, end minus start", +1, Quantity.LENGTH, (Point("long"), Point("long", 0)),
            (_LONG, 0, 300),
        ),
    ),
    f"{_CAPTION}.vision-r1-long.declines.phenomenon": (
        _change(
            "accuracy of Long minus that of its start", -1, Quantity.ACCURACY, (Point("long"), Point("long", 0)),
            (_LONG, 0, 300),
        ),
    ),
    f"{_CAPTION}.vision-r1.stage-1-shortens-and-lifts.phenomenon": (
        _change(
            "tokens in the log of stage 1, end minus start", -1, Quantity.LENGTH,
            (Point("vision-r1", 1), Point("vision-r1", 0)), (_PTST, 0, 100),
        ),
        _change(
            "accuracy at the end of stage 1 minus that of its start", +1, Quantity.ACCURACY,
            (Point("vision-r1", 1), Point("vision-r1", 0)), (_PTST, 0, 100),
        ),
    ),
    f"{_CAPTION}.vision-r1.stage-2-lengthens-with-accuracy.phenomenon": (
        _change(
            "tokens in the log, end of stage 2 minus end of stage 1", +1, Quantity.LENGTH,
            (Point("vision-r1", 2), Point("vision-r1", 1)), (_PTST, 100, 200),
        ),
        _change(
            "accuracy at the end of stage 2 minus that of stage 1", +1, Quantity.ACCURACY,
            (Point("vision-r1", 2), Point("vision-r1", 1)), (_PTST, 100, 200),
        ),
    ),
    f"{_CAPTION}.vision-r1.words-of-reflection-grow.phenomenon": (
        _change(
            "words of reflection in 50 responses, end of stage 2 minus end of stage 1", +1, Quantity.WORDS,
            (Point("vision-r1", 2), Point("vision-r1", 1)),
        ),
        Statistic(
            what="words of reflection in 50 responses, Vision-R1 minus Long",
            sign=+1,
            quantity=Quantity.WORDS,
            after=Point("vision-r1"),
            before=Point("long"),
            printed=(_words(_PTST), _words(_LONG)),
        ),
    ),
    f"{_CAPTION}.vision-r1-zero.stays-short-without-reflection.phenomenon": (
        Statistic(
            what="words of reflection in 50 responses, Zero minus Vision-R1",
            sign=-1,
            quantity=Quantity.WORDS,
            after=Point("zero"),
            before=Point("vision-r1"),
            printed=(_words(_ZERO), _words(_PTST)),
        ),
        Statistic(
            what="tokens in the log, end of Zero minus end of Vision-R1",
            sign=-1,
            quantity=Quantity.LENGTH,
            after=Point("zero"),
            before=Point("vision-r1"),
            printed=((_curve("d", _ZERO, 300),), (_curve("d", _PTST, 200),)),
        ),
    ),
    "v1-v4.sec-3-1.vision-r1-zero.lengthens.phenomenon": (
        _change(
            "tokens in Zero's log, end minus start", +1, Quantity.LENGTH, (Point("zero"), Point("zero", 0)),
            (_ZERO, 0, 300),
        ),
    ),
    "v1.sec-3-1.vision-r1-zero.declines.phenomenon": (
        _change(
            "accuracy of Zero minus that of its start", -1, Quantity.ACCURACY, (Point("zero"), Point("zero", 0)),
            (_ZERO, 0, 300),
        ),
    ),
    "v1-v4.sec-4-1.vision-r1-stage-3.lengthens.phenomenon": (
        _change(
            "tokens in the log, end of stage 3 minus end of stage 2", +1, Quantity.LENGTH,
            (Point("vision-r1-stage3", 3), Point("vision-r1-stage3", 2)), (_PTST, 200, 300),
        ),
    ),
    "v4.sec-4-2.vision-r1.above-vision-r1-long.phenomenon": (
        Statistic(
            what="accuracy of Vision-R1 minus that of Long",
            sign=+1,
            quantity=Quantity.ACCURACY,
            after=Point("vision-r1"),
            before=Point("long"),
            printed=(
                ("v4.table-3.vision-r1-ours.avg-of-mathvista-mathverse-mm-math.accuracy-pct",),
                ("v4.table-3.vision-r1-long.avg-of-mathvista-mathverse-mm-math.accuracy-pct",),
            ),
        ),
    ),
}  # fmt: skip


class Part(NamedTuple):
    """A statistic of a phenomenon as this run has it, or why it has none."""

    statistic: Statistic
    measured: SeedDifference | Missing


@dataclass(frozen=True, kw_only=True)
class Phenomenon:
    """A published sentence, its statistics here, and what can be said."""

    published: PublishedValue
    parts: tuple[Part, ...]
    judgement: Judgement


def phenomena(results: Results) -> list[Phenomenon]:
    """Every published phenomenon, in the order of the list."""
    sentences = (value for value in load_values() if value.value_class is ValueClass.PHENOMENON)
    return [phenomenon(value, results) for value in sentences]


def phenomenon(value: PublishedValue, results: Results) -> Phenomenon:
    """What a run shows of one published phenomenon."""
    parts = tuple(Part(statistic, measure(statistic, results)) for statistic in PHENOMENA[value.id])
    return Phenomenon(published=value, parts=parts, judgement=_judge(parts, results))


def measure(statistic: Statistic, results: Results) -> SeedDifference | Missing:
    """A statistic over a run's training seeds; a value of one training seed is always its own pair's."""
    if statistic.before is None:
        sides = [results.points.at(statistic.quantity, statistic.after)]
    else:
        sides = list(results.points.pair(statistic.quantity, statistic.after, statistic.before))
    for point, side in zip(_points(statistic), sides, strict=True):
        if side.missing:
            info = results.arms.get(point.arm)
            return Missing(side.missing, info.command if info and not side.answered else None)
    confidence = results.settings.confidence
    if statistic.before is None:  # the slope itself, against none
        return seed_difference(sides[0].values, {0: 0.0}, trained=(sides[0].trained, False), confidence=confidence)
    after, before = (side.values for side in sides)
    if statistic.quantity is Quantity.WORDS and not any((*after.values(), *before.values())):
        return Missing("no word of reflection in any response on either side")
    if all(side.trained for side in sides) and (shared := after.keys() & before.keys()):
        after, before = ({seed: side[seed] for seed in sorted(shared)} for side in (after, before))
    trained = (sides[0].trained, sides[1].trained)
    return seed_difference(after, before, trained=trained, confidence=confidence)


def _points(statistic: Statistic) -> list[Point]:
    return [point for point in (statistic.after, statistic.before) if point is not None]


def direction(parts: Sequence[tuple[int, SeedDifference]], confidence: float) -> Label:
    """The label of a phenomenon from the stated sign and the difference of each of its statistics."""
    if any(difference.p_value is None for _, difference in parts):
        return Label.CANNOT_TELL
    level = 1 - confidence
    agree = [_beyond(sign, difference, level) for sign, difference in parts]
    if all(agree):
        return Label.SHOWN
    contrary = (_beyond(-sign, difference, level / len(parts)) for sign, difference in parts)
    return Label.REVERSED if any(contrary) else Label.CANNOT_TELL


def _beyond(sign: int, difference: SeedDifference, level: float) -> bool:
    """Whether a difference lies beyond zero on the side of a sign, by its two-sided test."""
    return difference.p_value is not None and sign * difference.value > 0 and difference.p_value < level


def _judge(parts: Iterable[Part], results: Results) -> Judgement:
    measured: list[tuple[Statistic, SeedDifference]] = []
    for statistic, difference in parts:
        if isinstance(difference, Missing):
            reason = f"{statistic.what}: {difference.reason}"
            return Judgement(label=Label.CANNOT_BE_SHOWN, reason=reason, command=difference.command)
        measured.append((statistic, difference))
    label = direction([(statistic.sign, difference) for statistic, difference in measured], results.settings.confidence)
    reason = "; ".join(_words_of(statistic, difference) for statistic, difference in measured)
    return Judgement(label=label, reason=reason)


def _words_of(statistic: Statistic, difference: SeedDifference) -> str:
    if difference.p_value is None:
        spread = f"{difference.seeds} training seed{'s' * (difference.seeds != 1)}, needs {FEWEST_SEEDS}"
    else:
        spread = f"{interval(difference.low, difference.high, 2)} over {difference.seeds} training seeds"
    return f"{statistic.what}: {fixed(difference.value, 2, signed=True)}, {spread}"
