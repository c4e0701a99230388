"""MathVista's official scorer.

lupantech/MathVista@53d5258: evaluation/calculate_score.py (normalise, compare); what is extracted without an LLM is in
`extraction`. An LLM's extraction is a stage of its own: the row brings it as `extraction`; without one, and where
the official code would ask the LLM, the verdict is `judge_error`, never wrong.
"""

import re
from typing import Any

from vr1repro.answers.distance import levenshtein
from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvista import BENCHMARK
from vr1repro.benchmarks.mathvista.extraction import extract_without_llm
from vr1repro.benchmarks.scoring import Options, Row, text_of
from vr1repro.core.records import Outcome, Verdict

_LETTER = re.compile(r"\(([a-zA-Z])\)")
# Edit distances of more steps than this are a worker's, with a deadline.
_CHEAP_STEPS = 20_000


def question_id_of(question: Question) -> str:
    """A question's id as text, from whichever of the id columns it has."""
    return str(BENCHMARK.id_of(question))


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


def official(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The official verdict; `decided_by` says whether the edit distance, a guess, made it."""
    question_id = question_id_of(question)
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
    match = _LETTER.search(text)
    letter = match[1].upper() if match else text
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
        failed=lambda cause: Verdict(id=question_id, extraction=shown, verdict=Outcome.TIMEOUT, cause=cause),
    )
