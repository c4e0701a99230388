r"""Find the final answer in a completion. Pure functions, linear time on hostile input, no evaluation of model text.

The order of the rules in `final_answer` is ours: the paper states none for models other than its own. The string that
the paper's evaluator looks for is in `paper_form`.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from vr1repro.answers.completion import ANSWER_CLOSE, ANSWER_OPEN, FINAL_ANSWER, THINK_CLOSE

# An escaped brace is a character of the answer, not a group.
_BRACES = re.compile(r"\\(?:boxed|fbox)\s{0,8}\{|\\[{}\\]|[{}]")
_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s{1,8}([^\s{}$\\]{1,64})")
_PHRASE = re.compile(
    r"(?:answer|correct option|correct choice|correct statement)s?\s{0,4}(?:\*\*|__)?\s{0,4}"
    r"(?:is|are|was|should be|would be|must be|will be|:|=|\uff1a)\s{0,4}(?:option|choice)?\s{0,4}[:\uff1a]?"
    r"|\u7b54\u6848\s{0,4}[\u662f\u4e3a\uff1a:]{1,2}",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"\n|[.!?\u3002](?=\s|$)|\u3002")
_NUMBER = re.compile(r"(?:(?<![\w.])[-+\u2212])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<!\d)\.\d+")
_PHRASE_SPAN = 400
_SHORT = 60


class Rule(StrEnum):
    """Which rule found an answer; kept beside a verdict so that a reader sees what an extraction rests on."""

    TAG = "tag"
    BOXED = "boxed"
    PHRASE = "phrase"
    WHOLE = "whole"
    NUMBER = "number"


@dataclass(frozen=True)
class Extraction:
    """An answer and the rule that found it."""

    text: str
    rule: Rule


def tagged_answer(text: str) -> str | None:
    """What stands in the last `<answer>` element, without `Final Answer:`; None where there is no such element.

    An element that is opened last and never closed counts to the end of the text: the model stopped inside it.
    """
    start = text.rfind(ANSWER_OPEN)
    if start < 0:
        return None
    start += len(ANSWER_OPEN)
    end = text.find(ANSWER_CLOSE, start)
    inner = text[start : end if end >= 0 else len(text)].strip()
    return inner.removeprefix(FINAL_ANSWER).strip() or None


def last_boxed(text: str) -> str | None:
    r"""The content of the closed `\boxed{...}` (or `\fbox{...}`) that opens last, braces matched.

    >>> last_boxed(r"\boxed{1} or rather \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    """
    if "\\boxed" not in text and "\\fbox" not in text:
        return None
    opened: list[int | None] = []
    best: tuple[int, int] | None = None
    for match in _BRACES.finditer(text) if "}" in text else ():
        token = match.group()
        if token == "{":  # noqa: S105
            opened.append(None)
        elif token == "}":  # noqa: S105
            start = opened.pop() if opened else None
            if start is not None and (best is None or start > best[0]):
                best = (start, match.start())
        elif len(token) > 2:
            opened.append(match.end())
    if best is not None:
        return text[best[0] : best[1]].strip() or None
    bare = _last(_BARE_BOX.finditer(text))
    return None if bare is None else bare.group(1)


def answer_phrase(text: str) -> str | None:
    """What follows the last "the answer is", "Answer:" or the like, to the end of the sentence."""
    match = _last(_PHRASE.finditer(text))
    if match is None:
        return None
    rest = text[match.end() : match.end() + _PHRASE_SPAN].lstrip(" \t\n*_")
    end = _SENTENCE_END.search(rest)
    return (rest[: end.start()] if end else rest).strip(" \t*_") or None


def last_number(text: str) -> str | None:
    """The last number written with digits, thousands separators kept."""
    match = _last(_NUMBER.finditer(text))
    return None if match is None else match.group()


def _last(matches: Iterator[re.Match[str]]) -> re.Match[str] | None:
    kept = deque(matches, maxlen=1)
    return kept[0] if kept else None


def final_answer(text: str) -> Extraction | None:
    r"""The final answer of a completion in any of the usual formats.

    The text before the last `</think>` is left out where something follows it. Then, in order: the `<answer>`
    element (and a box inside it), the last `\boxed{}`, the last "the answer is", a text of one short line as it is,
    the last number.

    Returns:
        The answer and its rule, or None where nothing looks like an answer.

    >>> final_answer("<think>3 or 4?</think><answer> Final Answer:4 </answer>").text
    '4'
    >>> final_answer("First 12, then the answer is 7.").rule
    <Rule.PHRASE: 'phrase'>
    >>> final_answer("") is None
    True
    """
    after = text.rpartition(THINK_CLOSE)[2]
    body = after if after.strip() else text
    tagged = tagged_answer(body)
    if tagged is not None:
        return Extraction(last_boxed(tagged) or tagged, Rule.TAG)
    boxed = last_boxed(body)
    if boxed is not None:
        return Extraction(boxed, Rule.BOXED)
    phrase = answer_phrase(body)
    if phrase is not None:
        return Extraction(phrase, Rule.PHRASE)
    whole = body.strip()
    if whole and len(whole) <= _SHORT and "\n" not in whole:
        return Extraction(whole, Rule.WHOLE)
    number = last_number(body)
    return None if number is None else Extraction(number, Rule.NUMBER)
