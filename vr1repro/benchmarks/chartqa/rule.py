"""ChartQA whatever the form of an answer: our extraction, units and separators off, 5 % for numbers."""

from fractions import Fraction

from vr1repro.answers.units import key, number, split_unit
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.chartqa import BENCHMARK, golds_of
from vr1repro.benchmarks.scoring import Options, Row, extraction_of
from vr1repro.core.records import Outcome, Verdict

_TOLERANCE = Fraction(1, 20)  # exact, so that no answer is too large


def rule(question: Question, row: Row, options: Options) -> Verdict:
    """A number to 5 % of the gold, `$`, `%`, commas and units aside, or an equal text."""
    identifier, extraction = str(BENCHMARK.id_of(question)), extraction_of(row)
    if extraction is None:
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    right = any(_same(gold, extraction.text) for gold in golds_of(question))
    outcome = Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(
        id=identifier, extraction=extraction.text, prediction=extraction.text, verdict=outcome, rule=extraction.rule
    )


def _same(gold: str, answer: str) -> bool:
    gold_value, value = _value(gold), _value(answer)
    if gold_value is None or value is None:
        return key(gold) == key(answer)
    return abs(value - gold_value) <= _TOLERANCE * abs(gold_value)


def _value(text: str) -> Fraction | None:
    return number(split_unit(text.strip().lstrip("$"))[0].removesuffix("%"))
