r"""How VLMEvalKit scores MathVision. lmms-eval runs a copy of the official scorer (lmms_eval/tasks/mathvision).

What they do differently from the official scorer is reproduced on purpose, faults included. Both ask an LLM where no
rule applies; its extraction or reply is a stage of its own (`vr1repro extract`, `vr1repro judge`) and comes with the
row, and without one the verdict is `judge_error`, where the peers themselves count a failed call as wrong.

Source: open-compass/VLMEvalKit, vlmeval/dataset/utils/mathv.py (1344ef2).
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from vr1repro.answers.arithmetic import NotArithmetic, evaluate
from vr1repro.answers.grade import Work
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathvision import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, extraction_in, inferred_option, text_of, undecided
from vr1repro.core.records import Cause, Outcome, Verdict

_BOX = re.compile(r"\\boxed\{([^}]*)\}")
_TOLERANCE = 1e-6
# `eval` of longer text than this is nobody's answer, and parsing it is a worker's time.
_LONGEST = 2000


def vlmevalkit(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    r"""The first box up to its first brace, an option by `can_infer`, values equal to 1e-6; else the LLM's extraction.

    Where it calls `eval` and latex2sympy, the same arithmetic is evaluated in a worker.
    """
    identifier = str(BENCHMARK.id_of(question))
    response, gold = _unboxed(text_of(row)), str(question["answer"])
    listed = question.get("options")
    choices = [str(choice) for choice in listed] if listed is not None else []
    extraction = extraction_in(row)
    if choices:
        letter = inferred_option(response, choices)
        if letter is None and extraction is None:
            return undecided(identifier, "an LLM's extraction")
        if letter is None and extraction is not None:
            letter = inferred_option(_unboxed(extraction), choices)
        outcome = Outcome.UNPARSABLE if letter is None else Outcome.RIGHT if letter == gold else Outcome.WRONG
        return Verdict(id=identifier, extraction=extraction, prediction=letter, verdict=outcome)
    answers = (response,) if extraction is None else (response, _unboxed(extraction))

    def verdict(outcome: Outcome, cause: Cause | None = None) -> Verdict:
        return Verdict(
            id=identifier, extraction=extraction, prediction=answers[-1][:_LONGEST], verdict=outcome, cause=cause
        )

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
        failed=partial(verdict, Outcome.TIMEOUT),
    )


def _unboxed(text: str) -> str:
    box = _BOX.search(text)
    return text if box is None else box[1]


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
