"""How VLMEvalKit scores DynaMath (open-compass/VLMEvalKit@0b98920, vlmeval/dataset/dynamath.py).

It asks an LLM where the JSON cannot be read, and takes any text answer that the gold contains, the empty one included.
The paper's copy of it (Osilly/Vision-R1@c061681) never reads the JSON, for it looks up a misspelt key first: there the
whole reply is parsed as the answer, and the LLM is asked where that fails. lmms-eval's scoring of DynaMath is not
stated in our sources, so it is no profile here.
"""

import json
from typing import Any

from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.dynamath import BENCHMARK
from vr1repro.benchmarks.dynamath.official import LETTERS, TOLERANCE, NoAnswer, gold_of, number_in
from vr1repro.benchmarks.scoring import Options, Row, extraction_in, text_of, undecided
from vr1repro.core.records import Outcome, Verdict


def _parsed(answer: Any, kind: str) -> Any:
    """VLMEvalKit's `parse_answer`; a number in the JSON is no text to it and goes to the LLM."""
    if not isinstance(answer, str):
        raise NoAnswer
    if kind == "float":
        return number_in(answer)
    if kind == "multiple choice":
        if len(answer) == 1:
            return answer.upper()
        there = [letter for letter in LETTERS if letter in answer.upper()]
        if len(there) != 1:
            raise NoAnswer
        return there[0]
    return answer


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    """The first of JSON, text and LLM's extraction that can be read."""
    identifier, gold, kind = str(BENCHMARK.id_of(question)), gold_of(question), question["answer_type"]
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
        except NoAnswer:
            continue
        if kind == "float":
            right = abs(answer - float(gold)) <= TOLERANCE
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
