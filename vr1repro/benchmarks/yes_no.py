"""What the benchmarks of yes-or-no questions (MME, HallusionBench) share: VLMEvalKit's rule and ours."""

import re

from vr1repro.answers.extract import answer_phrase
from vr1repro.benchmarks.scoring import Row, extraction_in, stated_answer, text_of, undecided
from vr1repro.core.records import Outcome, Verdict

_PUNCTUATION = ';/[]"{}()=+\\_->@`<,?!'
_COMMA_IN_NUMBER = re.compile(r"\d,\d")
_FULL_STOP = re.compile(r"\.(?!\d)")
# `re.UNICODE`, which the original gives in the place of the largest number of replacements.
_MOST_STOPS = 32
_WORD = re.compile(r"[a-z]+")
_ANSWERS = {"yes": True, "no": False}


def is_yes(gold: str) -> bool:
    """Whether a gold answer says yes; golds are `Yes` and `No`, or 1 and 0."""
    return gold.strip().lower() in ("yes", "1")


def without_punctuation(text: str) -> str:
    """VLMEvalKit's `process_punctuation` (open-compass/VLMEvalKit@06d45c5, vlmeval/smp/misc.py), faults included.

    A mark becomes a blank, or nothing where a blank stands beside one like it or a number with a comma stands anywhere.
    Only the first 32 full stops are taken out.
    """
    number, cleaned = _COMMA_IN_NUMBER.search(text) is not None, text
    for mark in _PUNCTUATION:
        beside = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if beside or number else " ")
    return _FULL_STOP.sub("", cleaned, count=_MOST_STOPS)


def only_word(text: str) -> bool | None:
    """VLMEvalKit's `YOrN_Extraction`: yes or no where just one of the two is among the words (yorn.py at 0c7163c)."""
    words = set(without_punctuation(text.lower()).split())
    there = [answer for word, answer in _ANSWERS.items() if word in words]
    return there[0] if len(there) == 1 else None


def vlmevalkit_verdict(identifier: str, gold: bool, row: Row) -> Verdict:
    """The one of yes and no that the stated answer, or else the LLM's reply, has among its words."""
    answer = stated_answer(text_of(row))
    if not answer.strip():
        return Verdict(id=identifier, verdict=Outcome.UNPARSABLE)
    word, shown = only_word(answer), answer[-200:]
    if word is None:
        extraction = extraction_in(row)
        if extraction is None:
            return undecided(identifier, "an LLM's extraction")
        word, shown = only_word(extraction), extraction
    return judged_word(identifier, gold, word, shown)


def rule_verdict(identifier: str, gold: bool, row: Row) -> Verdict:
    """Ours: the stated answer's first word, else the one of yes and no that is there, else that of its last phrase."""
    answer = stated_answer(text_of(row))
    word = _first_or_only(answer)
    if word is None:
        word = _first_or_only(answer_phrase(answer) or "")
    return judged_word(identifier, gold, word, answer[-200:] or None)


def judged_word(identifier: str, gold: bool, word: bool | None, shown: str | None) -> Verdict:
    """The verdict on an answer that was read as yes, no, or neither."""
    if word is None:
        return Verdict(id=identifier, extraction=shown, verdict=Outcome.UNPARSABLE)
    outcome = Outcome.RIGHT if word == gold else Outcome.WRONG
    return Verdict(id=identifier, extraction=shown, prediction="Yes" if word else "No", verdict=outcome)


def first_word(text: str) -> bool | None:
    """Yes or no where a text begins with it."""
    match = _WORD.search(text.lower())
    return None if match is None else _ANSWERS.get(match.group())


def _first_or_only(text: str) -> bool | None:
    first, there = first_word(text), {*_WORD.findall(text.lower())} & _ANSWERS.keys()
    return first if first is not None else _ANSWERS[there.pop()] if len(there) == 1 else None
