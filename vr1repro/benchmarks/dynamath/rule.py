"""DynaMath without an LLM: the `short answer` of a JSON reply, else our own extraction."""

import json
import re

from vr1repro.answers.compare import DEFAULT, MatchSettings, choice_index
from vr1repro.answers.extract import final_answer, last_number
from vr1repro.answers.grade import Pair, Work
from vr1repro.answers.units import number, split_unit
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.dynamath import BENCHMARK
from vr1repro.benchmarks.dynamath.official import LETTERS, gold_of
from vr1repro.benchmarks.scoring import Options, Row, compared, text_of
from vr1repro.core.records import Outcome, Verdict

# What makes a number only part of an answer.
_FORMULA = re.compile(r"[\\\u03c0\u221a^/]|\bpi\b|\bsqrt")


def rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The `short answer` of a JSON reply, else our own extraction; a number to 0.001, a letter, or an equal text."""
    identifier, gold, kind = str(BENCHMARK.id_of(question)), gold_of(question), question["answer_type"]
    text = _answer(text_of(row))
    if text is None:
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    if kind == "multiple choice":
        index = choice_index(text, list(LETTERS))
        if index is None:
            return Verdict(id=identifier, extraction=text, verdict=Outcome.UNPARSABLE)
        outcome = Outcome.RIGHT if LETTERS[index] == gold.strip().upper() else Outcome.WRONG
        return Verdict(id=identifier, extraction=text, prediction=LETTERS[index], verdict=outcome)
    if kind == "float":
        gold_value = number(gold)
        value = number(split_unit(text)[0])
        if value is None and not _FORMULA.search(text):
            value = number(last_number(text) or "")
        if value is not None and gold_value is not None:
            # Three decimals are asked for: a thousandth off is right, as officially.
            outcome = Outcome.RIGHT if abs(value - gold_value) * 1000 <= 1 else Outcome.WRONG
            return Verdict(id=identifier, extraction=text, prediction=str(value), verdict=outcome)
    places = MatchSettings(precision=3) if kind == "float" else DEFAULT
    return compared(identifier, Pair(gold, text, None, places), text)


def _answer(response: str) -> str | None:
    start, end = response.find("{"), response.rfind("}")
    if 0 <= start < end:
        try:
            values = json.loads(response[start : end + 1], strict=False)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict) and values.get("short answer") is not None:
            return str(values["short answer"]).strip() or None
    extraction = final_answer(response)
    return None if extraction is None else extraction.text
