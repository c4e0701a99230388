"""DynaMath's official scorer.

DynaMath/DynaMath@65a346a, evaluation/opensource_json_eval.py: the reply is JSON with the key `short answer`, read with
its quirks.
"""

import json
import math

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.dynamath import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, text_of
from vr1repro.core.records import Outcome, Verdict

TOLERANCE = 0.001
# Its multiple-choice questions write their choices into the text; these letters name them.
LETTERS = "ABCDE"


class NoAnswer(Exception):
    """The short answer cannot be read."""


def gold_of(question: Question) -> str:
    """The gold answer; the hub's column is `ground_truth`."""
    return str(question["answer"] if question.get("answer") is not None else question["ground_truth"])


def short_answer(response: str) -> str:
    """The official reading: JSON between the first and the last brace, all backslashes off; else the last line.

    The last line loses its last character, as the official code cuts it.
    """
    start, end = response.find("{"), response.rfind("}")
    text = response[start : end + 1].replace("\\", "") if 0 <= start < end else response
    try:
        values = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text.split("\n")[-1][:-1]
    if not isinstance(values, dict):
        raise NoAnswer
    return str(values.get("short answer"))


def number_in(text: str) -> float:
    """The number that the official code reads; raises `NoAnswer`."""
    try:
        if text.isdigit():
            return float(text)
        first = text.split(" ")[0]
        return float(first.split("\u03c0")[0]) * math.pi if "\u03c0" in first else float(first)
    except (ValueError, OverflowError):
        raise NoAnswer from None


def official(question: Question, row: Row, options: Options) -> Verdict:
    """The short answer of the response's JSON, compared as the official code compares the question's answer type."""
    identifier, gold, kind = str(BENCHMARK.id_of(question)), gold_of(question), question["answer_type"]
    answer: str | None = None
    try:
        answer = short_answer(text_of(row))
        if kind == "float":
            right = abs(number_in(answer) - float(gold)) <= TOLERANCE
        elif kind == "multiple choice":
            right = answer == gold if len(answer) == 1 else gold in answer[:3]
        else:
            right = gold in answer
    except NoAnswer:
        return Verdict(id=identifier, extraction=answer, verdict=Outcome.UNPARSABLE)
    outcome = Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(id=identifier, extraction=answer, prediction=answer, verdict=outcome)
