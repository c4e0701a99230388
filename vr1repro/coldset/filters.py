"""The rules that reject a trace, in the order in which they are tried. A trace is rejected by the first that fires.

Paper section 3.3.1: chains whose final answer disagrees with the ground truth are removed, then "rule-based data
filtering to remove logical inconsistent samples". Neither the matcher nor the rules are stated; the answer rule here
uses the grader that the reward and the benchmarks use, and every other rule names one way in which a chain is unusable.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, groupby

import numpy as np

from vr1repro.answers.completion import ANSWER_OPEN, TAGS, THINK_CLOSE, THINK_OPEN
from vr1repro.answers.extract import final_answer
from vr1repro.answers.grade import Pair
from vr1repro.answers.units import MAX_ANSWER, number, plain, split_unit
from vr1repro.coldset.polish import MARKS
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.core.records import Outcome

_ASSISTANT = re.compile(
    r"\bas an? (?:AI|text-based|language)\b|\b(?:large )?language model\b"
    r"|\bI (?:cannot|can't|can not|am unable to|am not able to|don't have the ability to) (?:actually )?(?:see|view)\b"
    r"|\bI (?:don't|do not) have (?:access to|any) (?:the |an? )?(?:image|picture|figure|diagram)\b"
    r"|\bwithout (?:seeing|being able to see|access to) the (?:image|picture|figure|diagram)\b",
    re.IGNORECASE,
)
# One of these is in whatever the pattern above finds; looking for them first is much quicker.
_ASSISTANT_MARKS = (
    "as an ai", "as a text-based", "as an text-based", "as a ai", "as a language", "as an language", "language model",
    "i can", "i am ", "i don't have", "i do not have", "without seeing", "without being", "without access",
)  # fmt: skip
_LEAK = re.compile(
    r"\bdescriptions?\b|\bcaptions?\b|\bthe text (?:says|said|states|mentions)\b"
    r"|\bthe user (?:says|said|states|mentions|provided|described|gave)\b",
    re.IGNORECASE,
)
# LLaMA-Factory's mark for a picture; it refuses rows with more marks than pictures.
PICTURE = "<image>"
# A conclusion stands at the end; what a chain says on its way it may take back.
_TAIL = 600
_CONCLUSION = re.compile(r"\banswer\s{1,3}(?:is|should be|must be)\s{0,3}:?\s{0,3}([^\n]{1,80})", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!;](?=\s|$)|,\s|\s(?:because|since|as|which|and|so|not)\b")
_COUNTED = re.compile(r"([-+]?\d{1,60}(?:\.\d{1,60})?)\s{1,3}[A-Za-z]")
_LETTER = re.compile(r"\(?([A-H])\)?[.:]?")
_UNBOUNDED = re.compile(
    r"(?:\^|\*\*)[\s{(]{0,4}-?(?:\d{5}|[\d.a-z]{1,12}[\s})]{0,4}(?:\^|\*\*)[\s{(]{0,4}-?[\d.a-z])|\d{4}[\s})]{0,4}!"
)
_PRIME = np.uint64(1_099_511_628_211)
_NOT_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd]")
# Without what Python calls a word character and is a digit: indices, powers, fractions, circled numbers.
_LETTERS = re.compile(r"[^\W\d_\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u218b\u2460-\u24ff]")
# Letters by script; single Greek letters are mathematics, so those count only in words.
_SCRIPTS = {
    "latin": re.compile(
        r"[A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff\u2100-\u214f\uff21-\uff5a\U0001d400-\U0001d7ff]"
    ),
    "cjk": re.compile(r"[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]"),
    "cyrillic": re.compile(r"[\u0400-\u052f]"),
    "arabic": re.compile(r"[\u0600-\u06ff\u0750-\u077f]"),
    "greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]"),
}
_SINGLE_GREEK = re.compile(r"(?<![\u0370-\u03ff])[\u0370-\u03ff](?![\u0370-\u03ff])")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A polished reply that may become a trace.

    Attributes:
        chain: The chain of thought, without tags.
        final_answer: What the reply gave as its answer, None where nothing was found.
        gold: The problem's answer.
        choices: The problem's choices.
        finished: False where the reply was cut at its token limit.
        rest: What the reply says after its chain.
    """

    chain: str
    final_answer: str | None
    gold: str
    choices: tuple[str, ...] | None
    finished: bool
    rest: str = ""

    @cached_property
    def words(self) -> list[str]:
        """The chain, split at blanks."""
        return self.chain.split()

    @cached_property
    def low(self) -> str:
        """The chain in lower case."""
        return self.chain.lower()


def truncated(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The reply was cut at its token limit."""
    return not candidate.finished


def no_answer(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The reply has no final answer, or no chain before it."""
    return not candidate.final_answer or not candidate.chain.strip()


def not_text(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """Chain or answer holds control characters, broken characters or halves of them."""
    return any(
        not part.isprintable() and _NOT_TEXT.search(part) is not None
        for part in (candidate.chain, candidate.final_answer or "")
    )


def tags_inside(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """Chain or answer holds a tag of the completion format or a picture's mark, which would make it ambiguous."""
    parts = (candidate.chain, candidate.final_answer or "", candidate.gold)
    return any(tag in part for part in parts for tag in (*TAGS, PICTURE))


def several_answers(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """More than one answer element follows the chain."""
    return candidate.rest.count(ANSWER_OPEN) > 1


def unbounded_answer(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The answer holds a power tower, a huge power or factorial, and the gold none; or is far longer or deeper nested.

    No question has such an answer, and working one out takes a grading process its whole time.
    """
    answer = candidate.final_answer or ""
    if len(answer) > 10 * len(candidate.gold) + 400 or _depth(answer) > _depth(candidate.gold) + 8:
        return True
    return _UNBOUNDED.search(answer) is not None and _UNBOUNDED.search(candidate.gold) is None


def _depth(text: str) -> int:
    """How deep braces and brackets are nested."""
    steps = ((char in "{([") - (char in "})]") for char in text)
    return max(accumulate(steps, initial=0))


def too_long(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The chain is longer than `coldset.max_chain_chars`."""
    return len(candidate.chain) > settings.max_chain_chars


def too_short(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The chain has fewer words than `coldset.min_chain_words`."""
    return settings.min_chain_words > 0 and len(candidate.words) < settings.min_chain_words


def language(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """More than `coldset.foreign_share` of the chain's letters are of scripts not in `coldset.languages`."""
    if candidate.chain.isascii():
        return "latin" not in settings.languages and any(map(str.isalpha, candidate.chain))
    text = candidate.chain if "greek" in settings.languages else _SINGLE_GREEK.sub("", candidate.chain)
    letters = len(_LETTERS.findall(text))
    known = sum(len(_SCRIPTS[script].findall(text)) for script in settings.languages)
    return letters - known > settings.foreign_share * letters


def repetition(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """One n-gram of words covers more than `coldset.repetition_share` of a long chain: a loop."""
    words = candidate.words
    n = settings.repetition_ngram
    if len(words) < 10 * n:
        return False
    # Equal n-grams are counted by a polynomial hash over all places at once; 64 bits do not collide by chance.
    codes = np.fromiter(map(hash, words), np.int64, len(words)).view(np.uint64)
    places = len(words) - n + 1
    grams = np.zeros(places, np.uint64)
    for start in range(n):
        grams = grams * _PRIME + codes[start : start + places]
    grams.sort()
    # The fewest equal ones, next to one another now, that cover more than the share.
    fewest = int(settings.repetition_share * len(words) // n) + 1
    return bool((grams[fewest - 1 :] == grams[: places - fewest + 1]).any())


def repeated_lines(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """One line comes `coldset.repetition_lines` times in a row: a loop that a share of words does not show."""
    lines = (line.strip() for line in candidate.chain.split("\n"))
    most = settings.repetition_lines
    return any(sum(1 for _ in run) >= most for line, run in groupby(filter(None, lines)))


def assistant_talk(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The reasoner speaks of itself as a model, or says that it cannot see."""
    return any(mark in candidate.low for mark in _ASSISTANT_MARKS) and _ASSISTANT.search(candidate.chain) is not None


def leak(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The polished chain still speaks of a description."""
    return (
        settings.polish and any(mark in candidate.low for mark in MARKS) and _LEAK.search(candidate.chain) is not None
    )


def contradiction(candidate: Candidate, settings: ColdsetSettings) -> bool:
    """The last conclusion at the chain's end is a number or option other than the one given as final answer.

    Only where both are surely numbers, or surely options; a question ("the answer is 8?") concludes nothing.
    """
    conclusions = _CONCLUSION.findall(candidate.chain[-_TAIL:])
    if not conclusions or candidate.final_answer is None:
        return False
    end = _SENTENCE_END.search(conclusions[-1])
    stated = conclusions[-1][: end.start()] if end else conclusions[-1]
    if "?" in stated:
        return False
    letters = _LETTER.fullmatch(plain(stated)), _LETTER.fullmatch(plain(candidate.final_answer))
    if letters[0] and letters[1]:
        return letters[0][1] != letters[1][1]
    values = _value(stated), _value(candidate.final_answer)
    return values[0] is not None and values[1] is not None and values[0] != values[1]


def _value(text: str) -> Fraction | None:
    """The number that a text is: alone, with a unit, or counting something."""
    text = text.strip().removesuffix(".")
    if len(text) > MAX_ANSWER:
        return None
    value = number(split_unit(text)[0])
    if value is not None:
        return value
    counted = _COUNTED.match(text.replace(",", ""))
    return Fraction(counted[1]) if counted else None


RULES: dict[str, Callable[[Candidate, ColdsetSettings], bool]] = {
    rule.__name__.replace("_", "-"): rule
    for rule in (
        truncated, no_answer, not_text, tags_inside, several_answers, unbounded_answer, too_long, too_short, language,
        repetition, repeated_lines, assistant_talk, leak, contradiction,
    )
}  # fmt: skip
# The grader's outcomes other than right, as names of rejections.
ANSWER_RULES: dict[Outcome, str] = {
    outcome: f"answer-{outcome.value.replace('_', '-')}" for outcome in Outcome if outcome is not Outcome.RIGHT
}


def first_rule(candidate: Candidate, settings: ColdsetSettings) -> str | None:
    """The name of the first cheap rule that fires."""
    return next((name for name, rule in RULES.items() if rule(candidate, settings)), None)


def pair(candidate: Candidate) -> Pair:
    """What the grader is to compare."""
    return Pair(candidate.gold, candidate.final_answer, candidate.choices)


def split_reply(text: str) -> tuple[str, str | None]:
    """Chain and final answer of a reasoner's reply; without think tags the whole reply is its chain."""
    chain, rest = split_chain(text)
    answer = final_answer(rest)
    return chain.strip(), None if answer is None else answer.text.strip()


def split_chain(text: str) -> tuple[str, str]:
    """A reply's chain and what follows it; without think tags both are the whole reply."""
    before, closed, after = text.rpartition(THINK_CLOSE)
    return (before.removeprefix(THINK_OPEN), after) if closed else (text, text)
