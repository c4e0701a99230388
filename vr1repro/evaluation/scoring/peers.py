r"""How two peers score: VLMEvalKit and lmms-eval, as the profiles `vlmevalkit` and `lmms-eval`.

What they do differently from the official scorers is reproduced on purpose, faults included. Both ask an LLM where no
rule applies; its extraction or reply is a stage of its own (`vr1repro extract`, `vr1repro judge`) and comes with the
row, and without one the verdict is `judge_error`, where the peers themselves count a failed call as wrong.

Sources: open-compass/VLMEvalKit, vlmeval/utils/matching_util.py (read at 134b4ea) and vlmeval/dataset/utils/
{mathvista (0981827), mathverse (8beb24a), mathv (1344ef2), mmmath (described at e8e78f0)}.py;
EvolvingLMMs-Lab/lmms-eval, lmms_eval/tasks/{mathvista (0893c50), mathvision (01c59c1), mathverse (described at
75571cf)}.
"""

import re
import string
from collections.abc import Callable, Sequence
from typing import Any

from vr1repro.answers.arithmetic import NotArithmetic, evaluate
from vr1repro.answers.grade import Work
from vr1repro.core.records import Outcome, Verdict
from vr1repro.evaluation.scoring import mmmath_judge
from vr1repro.evaluation.scoring.base import Options, Question, Row, text_of
from vr1repro.evaluation.scoring.mathvista_official import official, question_id_of

_SEPARATORS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_REFUSED = "Z"
_SAID = re.compile(r"(?i)(?:correct\s+)?answer\s+is\s+\**([ABCD])\**")
_BOX = re.compile(r"\\boxed\{([^}]*)\}")
_TOLERANCE = 1e-6
# `eval` of longer text than this is nobody's answer, and parsing it is a worker's time.
_LONGEST = 2000


def inferred_option(answer: str, choices: Sequence[str]) -> str | None:
    """VLMEvalKit's `can_infer`: the letter that an answer names, `Z` for a refusal, None where it asks its LLM.

    A letter must stand alone as a word, be the only one of the choices' letters, and be among the last five words; else
    `answer is X`; else the one choice whose text the answer holds, if it is at most twice as long as all choices.
    """
    letters = string.ascii_uppercase[: len(choices)]
    if "Failed to obtain answer via API" in answer:
        return None
    if any(refusal in answer for refusal in _REFUSALS):
        return _REFUSED
    words = answer.translate(_SEPARATORS).split()
    there = [letter for letter in letters if letter in words]
    if len(there) == 1 and words.index(there[0]) > len(words) - 5:
        return there[0]
    if not there and _REFUSED in words:
        return _REFUSED
    said = _SAID.search(answer)
    if said is not None:
        return said[1].upper()
    folded = answer.lower()
    if len(folded) > 2 * sum(map(len, choices)):
        return None
    held = [letter for letter, choice in zip(letters, choices, strict=False) if choice.lower() in folded]
    return held[0] if len(held) == 1 else None


def undecided(identifier: str, what: str) -> Verdict:
    """A row that lacks what an LLM's stage would bring."""
    return Verdict(id=identifier, verdict=Outcome.JUDGE_ERROR, note=f"this profile needs {what}, and the row has none")


def extraction_in(row: Row) -> str | None:
    """The extraction that an LLM's stage wrote into a row, None where there is none."""
    value = row.get("extraction")
    return None if value is None else str(value)


def judged(row: Row, profile: str) -> Outcome:
    """What an LLM judge replied of a row: right for 1, wrong for 0, else `judge_error`.

    A reply that was asked for another profile (`judged_as`) is no reply for this one.
    """
    if row.get("judged_as") not in (None, profile):
        return Outcome.JUDGE_ERROR
    return {"0": Outcome.WRONG, "1": Outcome.RIGHT}.get(str(row.get("judgement", "")).strip(), Outcome.JUDGE_ERROR)


def mathvista_vlmevalkit(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """No edit distance, no rounding (`1.24` is not 1.2), `7.0` is no integer, and the two list questions are wrong.

    The lists: the result is compared before it is set, as the text `None` (VLMEvalKit#1679).
    """
    identifier, response = question_id_of(question), text_of(row)
    if question["question_type"] == "multi_choice":
        choices = [str(choice) for choice in question["choices"]]
        gold = string.ascii_uppercase[choices.index(str(question["answer"]))]
        found, shown = inferred_option(response, choices), response[-200:]
        if found is None:
            extraction = extraction_in(row)
            if extraction is None:
                return undecided(identifier, "an LLM's extraction")
            found, shown = inferred_option(extraction, choices), extraction
        outcome = Outcome.UNPARSABLE if found is None else Outcome.RIGHT if found == gold else Outcome.WRONG
        return Verdict(id=identifier, extraction=shown, prediction=found, verdict=outcome)
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


def mathvista_lmms_eval(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """The official scorer, but every float question is wrong, and outer blanks are equal.

    The hub holds the precision as a float and `round(x, 1.0)` raises, which the code swallows.
    """
    if question["question_type"] != "multi_choice" and question["answer_type"] == "float":
        extraction = extraction_in(row) if "extraction" in row else text_of(row)
        return Verdict(id=question_id_of(question), extraction=extraction, verdict=Outcome.UNPARSABLE)
    return official(question, row, Options())


def mathverse_vlmevalkit(identifier: str, question: Question, row: Row) -> Verdict:
    """An extraction that is the gold's text is right without a judge; else the judge's reply counts."""
    extraction = extraction_in(row)
    if extraction is None:
        return undecided(identifier, "an LLM's extraction")
    same = extraction.strip() == str(question["answer"]).strip()
    outcome = Outcome.RIGHT if same else judged(row, "vlmevalkit")
    return Verdict(id=identifier, extraction=extraction, prediction=extraction, verdict=outcome)


def mathverse_lmms_eval(identifier: str, question: Question, row: Row) -> Verdict:
    """The whole response goes to a judge that replies 0 or 1; nothing is extracted."""
    return Verdict(id=identifier, verdict=judged(row, "lmms-eval"))


def mathvision_vlmevalkit(identifier: str, question: Question, row: Row) -> Verdict | Work[Verdict]:
    r"""The first box up to its first brace, an option by `can_infer`, values equal to 1e-6; else the LLM's extraction.

    Where it calls `eval` and latex2sympy, the same arithmetic is evaluated in a worker.
    """
    response, gold = _unboxed(text_of(row)), str(question["answer"])
    listed = question.get("options")
    choices = [str(choice) for choice in listed] if listed is not None else []
    extraction = extraction_in(row)
    if choices:
        found = inferred_option(response, choices)
        if found is None and extraction is None:
            return undecided(identifier, "an LLM's extraction")
        if found is None and extraction is not None:
            found = inferred_option(_unboxed(extraction), choices)
        outcome = Outcome.UNPARSABLE if found is None else Outcome.RIGHT if found == gold else Outcome.WRONG
        return Verdict(id=identifier, extraction=extraction, prediction=found, verdict=outcome)
    answers = (response,) if extraction is None else (response, _unboxed(extraction))

    def verdict(outcome: Outcome) -> Verdict:
        return Verdict(id=identifier, extraction=extraction, prediction=answers[-1][:_LONGEST], verdict=outcome)

    # Its LLM is asked where the response itself does not equal the gold; without one such a row is undecided.
    otherwise = Outcome.JUDGE_ERROR if extraction is None else Outcome.WRONG
    if any(answer.lower().strip() == gold.lower().strip() for answer in answers):
        return verdict(Outcome.RIGHT)
    short = tuple(answer for answer in answers if len(answer) <= _LONGEST)
    if not short:
        return verdict(otherwise)
    return Work(
        close,
        (gold.lower().strip(), tuple(answer.lower().strip() for answer in short)),
        done=lambda right: verdict(Outcome.RIGHT if right else otherwise),
        failed=verdict,
    )


def _unboxed(text: str) -> str:
    found = _BOX.search(text)
    return text if found is None else found[1]


def close(gold: str, answers: tuple[str, ...]) -> bool:
    """Whether an answer's value is within 1e-6 of the gold's, as Python or as LaTeX. For workers only."""
    return any(_close(_python, gold, answer) or _close(_latex, gold, answer) for answer in answers)


def _close(value: Callable[[str], Any], gold: str, answer: str) -> bool:
    try:
        return bool(abs(value(gold) - value(answer)) < _TOLERANCE)
    except MemoryError:
        raise
    except Exception:  # their code swallows whatever a model's text raises
        return False


def _python(text: str) -> Any:
    return evaluate(text)


def _latex(text: str) -> Any:
    from latex2sympy2_extended import latex2sympy

    parsed = latex2sympy(text, normalization_config=None)
    try:
        return evaluate(str(parsed))
    except NotArithmetic:
        return parsed


def mmmath_vlmevalkit(identifier: str, gold: str, row: Row) -> Verdict | Work[Verdict]:
    """The official judge on the whole texts, without the rule that both must hold a box; 30 s for one comparison.

    The paper's evaluator hands it the stripped answer (`grade --protocol paper`).
    """
    response = text_of(row)

    def verdict(outcome: Outcome) -> Verdict:
        return Verdict(id=identifier, extraction=response[-200:], prediction=response[-200:], verdict=outcome)

    return Work(
        mmmath_judge.judge,
        (gold, response, mmmath_judge.OFFICIAL),
        done=lambda right: verdict(Outcome.RIGHT if right else Outcome.WRONG),
        failed=verdict,
    )
