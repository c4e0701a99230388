"""How VLMEvalKit and lmms-eval score MathVista.

What they do differently from the official scorer is reproduced on purpose, faults included. Both ask an LLM where no
rule applies; its extraction or reply is a stage of its own (`vr1repro extract`, `vr1repro judge`) and comes with the
row, and without one the verdict is `judge_error`, where the peers themselves count a failed call as wrong.

Sources: open-compass/VLMEvalKit, vlmeval/utils/matching_util.py (read at 134b4ea) and
vlmeval/dataset/utils/mathvista.py (0981827); EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/mathvista (0893c50).
"""

import string
from collections.abc import Callable
from typing import Any

from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvista.official import official, question_id_of
from vr1repro.benchmarks.scoring import Options, Row, extraction_in, inferred_option, text_of, undecided
from vr1repro.core.records import Outcome, Verdict


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """No edit distance, no rounding (`1.24` is not 1.2), `7.0` is no integer, and the two list questions are wrong.

    The lists: the result is compared before it is set, as the text `None` (VLMEvalKit#1679).
    """
    identifier, response = question_id_of(question), text_of(row)
    if question["question_type"] == "multi_choice":
        choices = [str(choice) for choice in question["choices"]]
        gold = string.ascii_uppercase[choices.index(str(question["answer"]))]
        letter, shown = inferred_option(response, choices), response[-200:]
        if letter is None:
            extraction = extraction_in(row)
            if extraction is None:
                return undecided(identifier, "an LLM's extraction")
            letter, shown = inferred_option(extraction, choices), extraction
        outcome = Outcome.UNPARSABLE if letter is None else Outcome.RIGHT if letter == gold else Outcome.WRONG
        return Verdict(id=identifier, extraction=shown, prediction=letter, verdict=outcome)
    reads: Callable[[str], Any] | None = {"integer": int, "float": float}.get(question["answer_type"])
    gold_value = None if reads is None else reads(str(question["answer"]))
    # The raw response is taken at once only where it is right, and not zero, which is no success to Python.
    if gold_value is not None and reads is not None and gold_value and _read(reads, response) == gold_value:
        return Verdict(id=identifier, extraction=response, prediction=str(gold_value), verdict=Outcome.RIGHT)
    extraction = extraction_in(row)
    if extraction is None:
        return undecided(identifier, "an LLM's extraction")
    if reads is None:
        return Verdict(id=identifier, extraction=extraction, prediction="None", verdict=Outcome.WRONG)
    value = _read(reads, extraction)
    outcome = Outcome.UNPARSABLE if value is None else Outcome.RIGHT if value == gold_value else Outcome.WRONG
    return Verdict(id=identifier, extraction=extraction, prediction=str(value), verdict=outcome)


def _read(reads: Callable[[str], Any], text: str) -> Any:
    try:
        return reads(text)
    except ValueError:
        return None


def lmms_eval(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The official scorer, but every float question is wrong, and outer blanks are equal.

    The hub holds the precision as a float and `round(x, 1.0)` raises, which the code swallows.
    """
    if question["question_type"] != "multi_choice" and question["answer_type"] == "float":
        extraction = extraction_in(row) if "extraction" in row else text_of(row)
        return Verdict(id=question_id_of(question), extraction=extraction, verdict=Outcome.UNPARSABLE)
    return official(question, row, Options())
