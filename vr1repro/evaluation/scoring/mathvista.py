"""MathVista: the official normaliser on an extraction, and our own deterministic rules.

Official: lupantech/MathVista@53d5258, evaluation/calculate_score.py (normalise, compare) and extract_answer.py (what
is extracted without an LLM). An LLM's extraction is a stage of its own: the row brings it as `extraction`; without
one, and where the official code would ask the LLM, the verdict is `judge_error`, never wrong.
"""

import re
from collections.abc import Iterator
from typing import Any

from vr1repro.answers.compare import choice_index
from vr1repro.answers.distance import levenshtein
from vr1repro.answers.extract import Extraction, Rule, answer_phrase, final_answer, last_number
from vr1repro.answers.grade import Pair, Work
from vr1repro.answers.units import number, split_unit
from vr1repro.evaluation.scoring.base import Benchmark, Options, Question, Row, compared, identity, text_of
from vr1repro.records import Outcome, Verdict

_ID_KEYS = ("pid", "id", "question_id")
_LETTER = re.compile(r"\(([a-zA-Z])\)")
# Edit distances of more steps than this are a worker's, with a deadline.
_CHEAP_STEPS = 20_000
_SHORT_NAMES = {
    "figure question answering": "FQA",
    "geometry problem solving": "GPS",
    "math word problem": "MWP",
    "textbook question answering": "TQA",
    "visual question answering": "VQA",
    "algebraic reasoning": "ALG",
    "arithmetic reasoning": "ARI",
    "geometry reasoning": "GEO",
    "logical reasoning": "LOG",
    "numeric commonsense": "NUM",
    "scientific reasoning": "SCI",
    "statistical reasoning": "STA",
}
_METADATA = ("language", "source", "category", "task", "context", "grade")


def short_name(name: str) -> str:
    """The paper's column for a task or skill (`FQA`, `ALG`, ...); other names as they are."""
    return _SHORT_NAMES.get(name, name)


def extract_without_llm(question: Question, response: str) -> str | None:
    """What the official code extracts before it asks an LLM; None where it would ask."""
    if response == "":
        return ""
    if question["question_type"] == "multi_choice" and response in question["choices"]:
        return response
    try:
        if question["answer_type"] == "integer":
            return str(int(response))
        if question["answer_type"] == "float":
            return str(float(response))
    except ValueError:
        return None
    return None


def normalise(question: Question, extraction: Any, options: Options) -> str | None:
    """The official prediction for a question that is not multiple choice; None where the extraction does not fit.

    Integers are truncated (`7.9` gives `7`), or refused with `legacy_int` where they have a fraction.
    """
    kind = question["answer_type"]
    try:
        if kind == "integer":
            return str(int(extraction) if options.legacy_int else int(float(extraction)))
        if kind == "float":
            return str(round(float(extraction), int(question["precision"])))
    except (ValueError, TypeError, OverflowError):
        return None
    return str(extraction)


def most_similar(extraction: str, choices: tuple[str, ...]) -> int:
    """The index of the choice at the smallest edit distance, the first of equals."""
    distances = [levenshtein(extraction, choice) for choice in choices]
    return distances.index(min(distances))


def _official(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    question_id = str(identity(question, _ID_KEYS))
    extraction = row["extraction"] if "extraction" in row else extract_without_llm(question, text_of(row))
    shown = None if extraction is None else str(extraction)
    if extraction is None and "extraction" not in row:
        note = "the official profile needs an LLM's extraction of this response, and the row has none"
        return Verdict(id=question_id, verdict=Outcome.JUDGE_ERROR, note=note)

    def verdict(prediction: str | None, how: str) -> Verdict:
        outcome = Outcome.UNPARSABLE if prediction is None else Outcome.WRONG
        if prediction == question["answer"]:
            outcome = Outcome.RIGHT
        return Verdict(id=question_id, extraction=shown, prediction=prediction, verdict=outcome, decided_by=how)

    if question["question_type"] != "multi_choice":
        return verdict(normalise(question, extraction, options), "value")
    choices = tuple(map(str, question["choices"]))
    text = str(extraction).strip()
    found = _LETTER.search(text)
    letter = found[1].upper() if found else text
    index = ord(letter) - ord("A") if len(letter) == 1 else -1
    if 0 <= index < len(choices):
        return verdict(choices[index], "letter")
    # A one-letter option that is no letter of a choice is compared as the official code does: as that letter.
    if len(letter) * len(choices) <= _CHEAP_STEPS:
        return verdict(choices[most_similar(letter, choices)], "edit distance")
    return Work(
        most_similar,
        (letter, choices),
        done=lambda at: verdict(choices[at], "edit distance"),
        failed=lambda outcome: Verdict(id=question_id, extraction=shown, verdict=outcome),
    )


def _rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """No LLM, no guess: an answer that names no choice, or no number where one is asked, is `unparsable`."""
    question_id = str(identity(question, _ID_KEYS))
    response = text_of(row)
    found = final_answer(response)
    if question["question_type"] == "multi_choice":
        choices = [str(choice) for choice in question["choices"]]
        index = _named_choice(response, found, choices)
        shown = None if found is None else found.text
        rule = None if found is None else found.rule
        if index is None:
            return Verdict(id=question_id, extraction=shown, verdict=Outcome.UNPARSABLE, rule=rule)
        outcome = Outcome.RIGHT if choices[index] == question["answer"] else Outcome.WRONG
        return Verdict(id=question_id, extraction=shown, prediction=choices[index], verdict=outcome, rule=rule)
    if question["answer_type"] in ("integer", "float"):
        text = _number_text(response, found)
        value = None if text is None else number(text)
        if value is None:
            return Verdict(id=question_id, extraction=text, verdict=Outcome.UNPARSABLE)
        prediction = normalise(question, float(value), Options())
        gold = normalise(question, question["answer"], Options())
        outcome = Outcome.RIGHT if prediction == gold else Outcome.WRONG
        return Verdict(id=question_id, extraction=text, prediction=prediction, verdict=outcome)
    shown = None if found is None else found.text
    return compared(question_id, Pair(str(question["answer"]), shown), shown)


def _named_choice(response: str, found: Extraction | None, choices: list[str]) -> int | None:
    if found is not None and found.rule is not Rule.NUMBER:
        index = choice_index(found.text, choices)
        if index is not None:
            return index
    letters = {letter.upper() for letter in _LETTER.findall(response[-2000:])}
    named = [index for index in range(len(choices)) if chr(ord("A") + index) in letters]
    if len(named) == 1:
        return named[0]
    tail = response[-2000:].casefold()
    stated = [index for index, choice in enumerate(choices) if _mentions(tail, choice.casefold())]
    return stated[0] if len(stated) == 1 else None


def _mentions(text: str, choice: str) -> bool:
    return bool(choice) and re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text) is not None


def _number_text(response: str, found: Extraction | None) -> str | None:
    """The number in the answer, else the last one of the response."""
    if found is None:
        return None
    for text in (split_unit(found.text)[0], last_number(found.text), last_number(answer_phrase(response) or "")):
        if text is not None and number(text) is not None:
            return text
    return last_number(response)


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    metadata = question.get("metadata") or {}
    for group in ("question_type", "answer_type"):
        yield group, str(question[group])
    for group in _METADATA:
        if metadata.get(group) is not None:
            yield group, str(metadata[group])
    for skill in metadata.get("skills") or ():
        yield "skills", str(skill)


MATHVISTA = Benchmark(
    slug="mathvista",
    id_keys=_ID_KEYS,
    profiles={"official": _official, "rule": _rule},
    groups=_groups,
    cluster=lambda question: str(question.get("image") or identity(question, _ID_KEYS)),
)
