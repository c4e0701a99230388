"""MathVerse without an LLM: our own deterministic rules."""

import re

from vr1repro.answers.compare import choice_index
from vr1repro.answers.grade import Pair, Work
from vr1repro.answers.units import plain
from vr1repro.benchmarks.base import Question
from vr1repro.benchmarks.mathverse import BENCHMARK
from vr1repro.benchmarks.scoring import Options, Row, compared, extraction_of
from vr1repro.core.records import Outcome, Verdict

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
    pairs = _CHOICE.findall(text[starts[-1] :])
    letters = [letter for letter, _ in pairs]
    expected = [chr(ord("A") + index) for index in range(len(pairs))]
    return [choice.strip() for _, choice in pairs] if letters == expected else []


def rule(question: Question, row: Row, options: Options) -> Verdict | Work[Verdict]:
    """A letter among the question's choices, several letters, or an equivalent value."""
    question_id = str(BENCHMARK.id_of(question))
    gold = str(question["answer"])
    extraction = extraction_of(row)
    text = None if extraction is None else extraction.text
    rule = None if extraction is None else extraction.rule
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
