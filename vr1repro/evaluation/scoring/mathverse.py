"""MathVerse: our own deterministic rules, and the official judge's replies where a row brings them.

Official (ZrrSkywalker/MathVerse@937b090, evaluation/extract_answer_s1.py and score_answer_s2.py): an LLM extracts,
another call replies 0 or 1. Both are stages of their own; a row brings the reply as `judgement`, and without one the
verdict is `judge_error`. The overall score is the mean of the five versions with pictures (17 of 17 published rows
agree).
"""

import re
from collections.abc import Iterator

from vr1repro.answers.compare import choice_index
from vr1repro.answers.grade import Pair, Work
from vr1repro.answers.units import plain
from vr1repro.core.records import Outcome, Verdict
from vr1repro.evaluation.scoring.base import (
    Benchmark,
    Options,
    Question,
    Row,
    compared,
    extraction_of,
    identity,
)
from vr1repro.evaluation.scoring.peers import judged, mathverse_lmms_eval, mathverse_vlmevalkit

VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
_ID_KEYS = ("sample_index", "id", "question_id")
_CHOICES = re.compile(r"\bChoices?\s?:\s*(?=\(?A\)?\s?[.:\uff1a)])", re.IGNORECASE)
_CHOICE = re.compile(r"^\s*\(?([A-Z])\)?\s?[.:\uff1a)][ \t]?(.*)$", re.MULTILINE)
_LETTERS = re.compile(r"\(?([A-Z])\)?(?:[\s,;&]|and)*")


def choices_of(question: Question) -> list[str]:
    """The choices that stand in the question's text, behind `Choices:`; empty where there are none.

    Vision Only has an empty question; the hub's `question_for_eval` then holds the text.
    """
    text = str(question.get("question_for_eval") or question.get("question") or "")
    starts = [match.end() for match in _CHOICES.finditer(text)]
    if not starts:
        return []
    found = _CHOICE.findall(text[starts[-1] :])
    letters = [letter for letter, _ in found]
    expected = [chr(ord("A") + index) for index in range(len(found))]
    return [choice.strip() for _, choice in found] if letters == expected else []


def _official(question: Question, row: Row, options: Options) -> Verdict:
    question_id = str(identity(question, _ID_KEYS))
    extraction = row.get("extraction")
    outcome = judged(row, "official")
    note = "" if outcome is not Outcome.JUDGE_ERROR else "no reply 0 or 1 of the official profile's LLM judge"
    return Verdict(id=question_id, extraction=extraction, prediction=extraction, verdict=outcome, note=note or None)


def _vlmevalkit(question: Question, row: Row, options: Options) -> Verdict:
    return mathverse_vlmevalkit(str(identity(question, _ID_KEYS)), question, row)


def _lmms_eval(question: Question, row: Row, options: Options) -> Verdict:
    return mathverse_lmms_eval(str(identity(question, _ID_KEYS)), question, row)


def _rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    question_id = str(identity(question, _ID_KEYS))
    gold = str(question["answer"])
    found = extraction_of(row)
    text = None if found is None else found.text
    rule = None if found is None else found.rule
    if question.get("question_type") != "multi-choice":
        return compared(question_id, Pair(gold, text), text, rule=rule)
    several = _several_letters(gold)
    if len(several) > 1:
        named = _several_letters(text or "")
        outcome = Outcome.RIGHT if named == several else Outcome.WRONG if named else Outcome.UNPARSABLE
        return Verdict(id=question_id, extraction=text, prediction=" ".join(sorted(named)), verdict=outcome, rule=rule)
    # Vision Only may come without its text: then the letters A to H stand for themselves.
    choices = choices_of(question) or [chr(ord("A") + index) for index in range(8)]
    if choice_index(gold, choices) is None:
        return compared(question_id, Pair(gold, text), text, rule=rule)
    return compared(question_id, Pair(gold, text, tuple(choices)), text, rule=rule)


def _several_letters(text: str) -> frozenset[str]:
    """The letters of an answer that is nothing but letters (`C, D` or a line each); else the empty set."""
    answer = plain(text)
    letters = frozenset(_LETTERS.findall(answer))
    return letters if len(answer) < 64 and re.fullmatch(f"(?:{_LETTERS.pattern})+", answer) else frozenset()


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    metadata = question.get("metadata") or {}
    if question.get("problem_version"):
        yield "version", str(question["problem_version"])
    for group in ("subject", "subfield", "source"):
        if metadata.get(group):
            yield group, str(metadata[group])
    if question.get("question_type"):
        yield "question_type", str(question["question_type"])


MATHVERSE = Benchmark(
    slug="mathverse",
    id_keys=_ID_KEYS,
    profiles={"official": _official, "rule": _rule, "vlmevalkit": _vlmevalkit, "lmms-eval": _lmms_eval},
    groups=_groups,
    cluster=lambda question: str(question.get("problem_index") or identity(question, _ID_KEYS)),
    overall="version",
    members=VERSIONS,
)
