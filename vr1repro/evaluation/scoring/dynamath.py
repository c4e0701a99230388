"""DynaMath: 501 seed questions in ten variants each; the average over all, and the worst case over a seed's variants.

Official: DynaMath/DynaMath@65a346a, evaluation/opensource_json_eval.py: the reply is JSON with the key `short answer`,
read with its quirks. `vlmevalkit` (open-compass/VLMEvalKit@0b98920, vlmeval/dataset/dynamath.py) asks an LLM where that
fails, and takes any text answer that the gold contains, the empty one included; the paper's copy of it asks the LLM for
every row (a misspelt key). lmms-eval's scoring of DynaMath is not stated in our sources, so it is no profile here.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from vr1repro.answers.compare import DEFAULT, MatchSettings, choice_index
from vr1repro.answers.extract import final_answer, last_number
from vr1repro.answers.grade import Pair, Work
from vr1repro.answers.units import number, split_unit
from vr1repro.core.records import Outcome, Verdict
from vr1repro.evaluation.scoring.base import Benchmark, Options, Question, Row, compared, identity, text_of
from vr1repro.evaluation.scoring.peers import extraction_in, undecided

_ID_KEYS = ("id", "question_id", "index")
_LETTERS = "ABCDE"
_TOLERANCE = 0.001
# What makes a number only part of an answer.
_FORMULA = re.compile(r"[\\\u03c0\u221a^/]|\bpi\b|\bsqrt")


class _NoAnswer(Exception):
    """The short answer cannot be read."""


def gold_of(question: Question) -> str:
    """The gold answer; the hub's column is `ground_truth`."""
    return str(question["answer"] if question.get("answer") is not None else question["ground_truth"])


def seed_of(question: Question) -> str:
    """The seed question that a variant was made from."""
    return str(question.get("seed") or identity(question, _ID_KEYS))


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
        raise _NoAnswer
    return str(values.get("short answer"))


def _float(text: str) -> float:
    try:
        if text.isdigit():
            return float(text)
        first = text.split(" ")[0]
        return float(first.split("\u03c0")[0]) * math.pi if "\u03c0" in first else float(first)
    except (ValueError, OverflowError):
        raise _NoAnswer from None


def _official(question: Question, row: Row, options: Options) -> Verdict:
    identifier, gold, kind = str(identity(question, _ID_KEYS)), gold_of(question), question["answer_type"]
    answer: str | None = None
    try:
        answer = short_answer(text_of(row))
        if kind == "float":
            right = abs(_float(answer) - float(gold)) <= _TOLERANCE
        elif kind == "multiple choice":
            right = answer == gold if len(answer) == 1 else gold in answer[:3]
        else:
            right = gold in answer
    except _NoAnswer:
        return Verdict(id=identifier, extraction=answer, verdict=Outcome.UNPARSABLE)
    outcome = Outcome.RIGHT if right else Outcome.WRONG
    return Verdict(id=identifier, extraction=answer, prediction=answer, verdict=outcome)


def _parsed(answer: Any, kind: str) -> Any:
    """VLMEvalKit's `parse_answer`; a number in the JSON is no text to it and goes to the LLM."""
    if not isinstance(answer, str):
        raise _NoAnswer
    if kind == "float":
        return _float(answer)
    if kind == "multiple choice":
        if len(answer) == 1:
            return answer.upper()
        there = [letter for letter in _LETTERS if letter in answer.upper()]
        if len(there) != 1:
            raise _NoAnswer
        return there[0]
    return answer


def _vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    identifier, gold, kind = str(identity(question, _ID_KEYS)), gold_of(question), question["answer_type"]
    response = text_of(row)
    start, end = response.find("{"), response.rfind("}")
    text = (response[start : end + 1] if 0 <= start < end else response).replace("\\", "")
    extraction = extraction_in(row)
    try:
        values = json.loads(text, strict=False)
        named = values.get("short answer") if isinstance(values, dict) else None
    except (ValueError, RecursionError):
        named = None
    for attempt in (named, text, extraction):
        try:
            answer = _parsed(attempt, kind)
        except _NoAnswer:
            continue
        if kind == "float":
            right = abs(answer - float(gold)) <= _TOLERANCE
        elif kind == "multiple choice":
            right = answer == gold
        else:
            right = answer.lower() in gold.lower()
        outcome = Outcome.RIGHT if right else Outcome.WRONG
        return Verdict(id=identifier, extraction=str(answer), prediction=str(answer), verdict=outcome)
    if extraction is None:
        return undecided(identifier, "an LLM's extraction")
    right = kind == "multiple choice" and gold in text[:3].upper()
    return Verdict(id=identifier, extraction=extraction, verdict=Outcome.RIGHT if right else Outcome.UNPARSABLE)


def _rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The `short answer` of a JSON reply, else our own extraction; a number to 0.001, a letter, or an equal text."""
    identifier, gold, kind = str(identity(question, _ID_KEYS)), gold_of(question), question["answer_type"]
    text = _answer(text_of(row))
    if text is None:
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    if kind == "multiple choice":
        index = choice_index(text, list(_LETTERS))
        if index is None:
            return Verdict(id=identifier, extraction=text, verdict=Outcome.UNPARSABLE)
        outcome = Outcome.RIGHT if _LETTERS[index] == gold.strip().upper() else Outcome.WRONG
        return Verdict(id=identifier, extraction=text, prediction=_LETTERS[index], verdict=outcome)
    if kind == "float":
        wanted = number(gold)
        value = number(split_unit(text)[0])
        if value is None and not _FORMULA.search(text):
            value = number(last_number(text) or "")
        if value is not None and wanted is not None:
            # Three decimals are asked for: a thousandth off is right, as officially.
            outcome = Outcome.RIGHT if abs(value - wanted) * 1000 <= 1 else Outcome.WRONG
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
    found = final_answer(response)
    return None if found is None else found.text


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    yield "answer_type", str(question["answer_type"])
    for group, keys in (("subject", ("subject",)), ("level", ("knowledge_level", "level"))):
        value = next((question[key] for key in keys if question.get(key)), None)
        if value:
            yield group, " ".join(str(value).split())


DYNAMATH = Benchmark(
    slug="dynamath",
    id_keys=_ID_KEYS,
    profiles={"official": _official, "rule": _rule, "vlmevalkit": _vlmevalkit},
    groups=_groups,
    cluster=seed_of,
    worst_case=True,
)
