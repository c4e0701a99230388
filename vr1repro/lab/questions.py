"""What is asked about a row of values, how it is solved step by step, and in which words.

All text of this world is made here, so that the tokenizer can make one token of each fixed phrase (`phrases`), and the
scripted reasoner can read what the generator wrote.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from vr1repro.config.lab import Family, Kind

KINDS: tuple[Kind, ...] = get_args(Kind)
FAMILIES: tuple[Family, ...] = get_args(Family)
VALUES: dict[Family, tuple[int, ...]] = {
    "digits": tuple(range(10)),
    "bars": tuple(range(10)),
    "polygons": tuple(range(3, 9)),
}

LARGEST, SMALLEST = "largest ", "smallest "
CAPTION, REASONING = "Caption: ", " Reasoning: "
READ_PROMPT, DESCRIBE_PROMPT = "Read the values.", "Describe the picture."
_SENTENCES: dict[Kind, str] = {
    "sum": "What is the sum of the values?",
    "largest": "What is the largest value?",
    "range": "What is the largest value minus the smallest?",
    "count": "How many values are greater than {threshold}?",
}
_SIGNS: dict[Kind, str] = {
    "sum": "The sign asks for the sum. ",
    "largest": "The sign asks for the largest. ",
    "range": "The sign asks for the range. ",
    "count": "The sign asks how many are greater than {threshold}. ",
}
_ROWS: dict[Family, str] = {
    "digits": "A row of digits: ",
    "bars": "A row of bars: ",
    "polygons": "A row of polygons: ",
}


@dataclass(frozen=True)
class Task:
    """One question about one row of values.

    Attributes:
        values: From left to right.
        threshold: What the count question compares with.
    """

    kind: Kind
    values: tuple[int, ...]
    threshold: int

    @property
    def answer(self) -> int:
        """What `kind` asks of the values."""
        if self.kind == "sum":
            return sum(self.values)
        if self.kind == "largest":
            return max(self.values)
        if self.kind == "range":
            return max(self.values) - min(self.values)
        return sum(value > self.threshold for value in self.values)

    @property
    def steps(self) -> str:
        """The working after the values have been read; it grows with the row."""
        if self.kind == "sum":
            return _running_sum(self.values)
        if self.kind == "largest":
            return _scan(self.values, up=True)
        if self.kind == "range":
            high, low = max(self.values), min(self.values)
            scans = f"{LARGEST}{_scan(self.values, up=True)} {SMALLEST}{_scan(self.values, up=False)}"
            return f"{scans} {high}-{low}={high - low}"
        running, parts = 0, []
        for value in self.values:
            running += value > self.threshold
            parts.append(f"{value}:{running}")
        return " ".join(parts)

    @property
    def chain(self) -> str:
        """The shortest correct chain of thought: the values as read, then the working."""
        return f"{read(self.values)} {self.steps}"


def _running_sum(values: Sequence[int]) -> str:
    total, parts = values[0], []
    for value in values[1:]:
        parts.append(f"{total}+{value}={total + value}")
        total += value
    return " ".join(parts)


def _scan(values: Sequence[int], up: bool) -> str:
    best, parts = values[0], []
    for value in values[1:]:
        sign = "=" if best == value else "<" if best < value else ">"
        parts.append(f"{best}{sign}{value}")
        best = max(best, value) if up else min(best, value)
    return " ".join(parts)


def read(values: Sequence[int]) -> str:
    """The values as a reader says them."""
    return " ".join(map(str, values))


def sentence(kind: Kind, threshold: int) -> str:
    """The question in words."""
    return _SENTENCES[kind].format(threshold=threshold)


def sign_sentence(kind: Kind, threshold: int) -> str:
    """What a sign in the picture asks, in words, with the blank that follows it in a description."""
    return _SIGNS[kind].format(threshold=threshold)


def row_sentence(family: Family) -> str:
    """How a description names a row, up to its first value."""
    return _ROWS[family]


def describe(family: Family, values: Sequence[int], sign: Kind | None, threshold: int) -> str:
    """A complete description of a picture."""
    return f"{sign_sentence(sign, threshold) if sign else ''}{row_sentence(family)}{read(values)}."


def understand(text: str, threshold: int) -> Task | None:
    """Find the task that a text states: the last described row and the last question, in words or as a sign.

    Args:
        text: A prompt that holds a description and perhaps a question.
        threshold: What the count question compares with.

    Returns:
        The task, or None where the text states no row or no question.
    """
    rows = list(re.finditer(rf"(?:{'|'.join(map(re.escape, _ROWS.values()))})(\d(?: \d)*)", text))
    questions = [
        (place, kind)
        for kind in KINDS
        for phrase in (sentence(kind, threshold), sign_sentence(kind, threshold).strip())
        if (place := text.rfind(phrase)) >= 0
    ]
    if not rows or not questions:
        return None
    values = tuple(int(value) for value in rows[-1].group(1).split(" "))
    return Task(kind=max(questions)[1], values=values, threshold=threshold)


def completion_tokens(task: Task) -> int:
    """Tokens of the shortest correct completion with a chain: the end included, the think tags' two blanks left out.

    In a chain each character is a token of its own, a fixed phrase too; a test holds the tokenizer to that.
    """
    chain = task.chain.replace(LARGEST, ".").replace(SMALLEST, ".")
    four_tags_phrase_blank_end = 7
    return len(chain) + len(str(task.answer)) + four_tags_phrase_blank_end


def pseudo_cot(description: str, steps: str) -> str:
    """The reply to the Pseudo-CoT prompt: a Caption part and a Reasoning part (paper, Figure 2)."""
    return f"{CAPTION}{description}{REASONING}{steps}"
