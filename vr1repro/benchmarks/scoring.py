"""What scorers of several benchmarks share."""

import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vr1repro.answers.completion import THINK_CLOSE, THINK_OPEN
from vr1repro.answers.extract import Extraction, final_answer, last_boxed, tagged_answer
from vr1repro.answers.grade import Pair, Work, mapped
from vr1repro.answers.units import plain
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.rows import Row as Row
from vr1repro.benchmarks.rows import text_of as text_of
from vr1repro.core.records import Cause, Outcome, Verdict


@dataclass(frozen=True)
class Options:
    """What a user may switch in how a profile scores.

    Attributes:
        legacy_int: MathVista: integers by `int(x)`, as most of the shipped verdicts were made, not `int(float(x))`.
    """

    legacy_int: bool = False


Scorer = Callable[[Question, Row, Options], Verdict | Work[Verdict]]


def extraction_of(row: Row) -> Extraction | None:
    """Our own deterministic extraction from a row's response."""
    return final_answer(text_of(row))


def stated_answer(text: str) -> str:
    r"""What a rule for short replies is given: the final answer where tags or a box mark one, else the text as it is.

    The rules of the general benchmarks look at a reply's first characters or at all of its words, so a chain of thought
    must not reach them. A chain that nothing follows states no answer.

    >>> stated_answer("<think> yes or no? </think><answer> Final Answer:No </answer>")
    'No'
    >>> stated_answer(r"It is long. \boxed{\text{B}}")
    'B'
    >>> stated_answer("Yes, it is. ")
    'Yes, it is. '
    """
    _, thought, after = text.rpartition(THINK_CLOSE)
    tagged = tagged_answer(after)
    boxed = last_boxed(after if tagged is None else tagged)
    if boxed is not None:
        return plain(boxed)
    if tagged is not None:
        return tagged
    if thought:
        return after.strip()
    return "" if text.lstrip().startswith(THINK_OPEN) else text


def compared(verdict_id: str, pair: Pair, extraction: str | None, **extra: Any) -> Verdict | Work[Verdict]:
    """The verdict on a gold and an extracted answer: at once where it is certain, else as work for a grader."""

    def verdict(outcome: Outcome, cause: Cause | None = None) -> Verdict:
        return Verdict(
            id=verdict_id, extraction=extraction, prediction=pair.pred, verdict=outcome, cause=cause, **extra
        )

    return mapped(pair.work(), verdict, failed=partial(verdict, Outcome.TIMEOUT))


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


_SEPARATORS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_REFUSED = "Z"
_ANSWER_IS = re.compile(r"(?i)(?:correct\s+)?answer\s+is\s+\**([ABCD])\**")


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
    match = _ANSWER_IS.search(answer)
    if match is not None:
        return match[1].upper()
    folded = answer.lower()
    if len(folded) > 2 * sum(map(len, choices)):
        return None
    held = [letter for letter, choice in zip(letters, choices, strict=False) if choice.lower() in folded]
    return held[0] if len(held) == 1 else None
