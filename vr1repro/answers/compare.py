"""When two answers are equal, as far as cheap and certain checks can tell: strings, numbers, units, choices, values.

They run anywhere, in bounded time. What they leave open goes to `vr1repro.answers.mathverify`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Literal

from vr1repro.answers.closed import at_a_point, readings
from vr1repro.answers.units import MAX_ANSWER, key, number, plain, remembered, split_unit
from vr1repro.core.records import Outcome

Matcher = Literal["layered", "math-verify", "exact"]
MATCH_TYPES = ("latex", "expr", "string")
# Values closer than this, relative to the larger and to 1, are left to Math-Verify.
_APART = 1e-3
# Letters that name a choice or a point, and those that are no real number: E is one, and so is the square of I.
_NAME = re.compile(r"\(?([A-Z]{1,2})\)?")
_SYMBOL = re.compile(r"\(?(?:[A-DF-HJ-Z]{1,3}|I)\)?")
# Text where Math-Verify finds nothing: no digit, no formula. A word of it says that it is prose, not a product.
_PROSE = re.compile(r"[a-zA-Z\s.,;:!?'()-]+")
_MARKED = re.compile(r"[\d$\[<]|\\(?:[(\[]|[dtc]?frac|boxed|fbox)")
# A word of prose: letters that are neither a command nor a function's name.
WORD = re.compile(r"(?<![\\a-zA-Z{])(?!sqrt|sin|cos|tan|cot|sec|log|arc|frac|left|right)[a-zA-Z]{3,}")
_EQUAL = re.compile(r"=|\\approx|\u2248")
# What separates answers, of which any may be meant.
_SEVERAL = re.compile(r"[,;\n]|\b(?:and|or)\b")
_BETWEEN_LETTERS = re.compile(r"(?:[\s,;/&().]|\b(?:AND|OR)\b)+")
# `B`, `(B)`, `B.`, `B: 60`, `option B`; the rest of the line is the choice's text or nothing.
_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s{1,3})?[(\[]?\s?([A-Za-z])\s?(?:[)\].:\uff1a,]+(?=\s|\w|\\|$)|$|(?=\s[(=:-]))(.*)",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class MatchSettings:
    """How answers are compared.

    Attributes:
        match_types: What Math-Verify looks for: `latex`, `expr`, `string` (letters A to D).
        precision: Decimal places to which floats must agree (Math-Verify's `float_rounding`).
        strict: Variables' names matter, and sets are no tuples.
        allow_set_relation_comp: An inequality may equal an interval in either direction.
        matcher: `layered`: cheap checks, then Math-Verify; `math-verify`: that library alone, on the texts as they
            are; `exact`: the cheap checks alone.
    """

    match_types: tuple[str, ...] = ("latex", "expr")
    precision: int = 6
    strict: bool = True
    allow_set_relation_comp: bool = False
    matcher: Matcher = "layered"


DEFAULT = MatchSettings()


def choice_index(text: str, choices: list[str], *, letter_first: bool = True) -> int | None:
    """Which choice an answer names, by its letter or by its text; None where it names none or more than one.

    Args:
        text: An answer: `B`, `(B)`, `B. 60`, `option B`, or the text of a choice.
        letter_first: Whether a bare letter is a letter even where a choice reads like it (choices that are letters).

    >>> [choice_index(answer, ["30", "60", "90"]) for answer in ("B", "(B) 60", "option C", "60", "A or B", "45")]
    [1, 1, 2, 1, None, None]
    """
    answer = plain(text)
    if not answer or len(answer) > MAX_ANSWER:
        return None
    by_letter = _by_letter(answer, choices)
    by_text = _by_text(answer, choices)
    first, second = (by_letter, by_text) if letter_first else (by_text, by_letter)
    return first if first is not None else second


def _by_letter(answer: str, choices: list[str]) -> int | None:
    match = _LETTER.fullmatch(answer)
    if match is None:
        return None
    index = ascii_uppercase.find(match[1].upper())
    if not 0 <= index < len(choices):
        return None
    rest = match[2].strip(" )].:=(-")
    if not rest:
        return index
    # `B. 60` with another text than that of choice B contradicts itself: let the text decide, if it names a choice.
    named = _by_text(rest, choices)
    if named is None and _names_several(answer):
        return None
    return index if named is None or key(choices[named]) == key(choices[index]) else named


def _names_several(answer: str) -> bool:
    """Whether an answer is a list of different letters and nothing else."""
    letters = {word for word in _BETWEEN_LETTERS.split(answer.upper()) if word}
    return len(letters) > 1 and all(len(letter) == 1 and letter in ascii_uppercase for letter in letters)


def _by_text(answer: str, choices: list[str]) -> int | None:
    text = key(answer)
    indices = [index for index, choice in enumerate(choices) if key(choice) == text]
    if not indices:
        value = number(split_unit(answer)[0])
        if value is None:
            return None
        indices = [index for index, choice in enumerate(choices) if number(split_unit(choice)[0]) == value]
    texts = {key(choices[index]) for index in indices}
    return indices[0] if len(texts) == 1 else None


def gold_text(gold: str, choices: list[str] | None) -> str:
    """The text of the choice that a gold letter names, for comparison with a prediction that names no choice."""
    index = choice_index(gold, choices, letter_first=gold not in choices) if choices else None
    return gold if index is None or choices is None else choices[index] or gold


def cheap(
    gold: str,
    pred: str | None,
    choices: list[str] | None = None,
    settings: MatchSettings = DEFAULT,
) -> Outcome | None:
    """Decide what can be decided for sure without parsing mathematics.

    Args:
        gold: The gold answer; with choices it is a letter or the text of a choice.
        pred: The extracted answer, None where nothing was found.
        choices: In the question's order; None or empty for a free-form question.

    Returns:
        `right`, `wrong` or `unparsable`, or None where the pair needs `deep`.
    """
    if pred is None or not pred.strip() or len(pred) > MAX_ANSWER:
        return Outcome.UNPARSABLE
    if settings.matcher == "math-verify":
        return None
    if choices:
        gold_index = choice_index(gold, choices, letter_first=gold not in choices)
        pred_index = choice_index(pred, choices)
        if gold_index is not None and pred_index is not None:
            same = gold_index == pred_index or key(choices[gold_index]) == key(choices[pred_index])
            return Outcome.RIGHT if same else Outcome.WRONG
        gold = gold_text(gold, choices)
        if len(key(gold)) == 1 and _names_several(plain(pred)):
            return Outcome.WRONG
    if key(gold) == key(pred) and key(gold):
        return Outcome.RIGHT
    decided = _numbers(gold, pred, settings)
    if decided is None and settings.matcher == "exact":
        return Outcome.WRONG
    if decided is None and _is_named(split_unit(gold)[0]) and _is_prose(pred):
        return Outcome.UNPARSABLE
    return decided


def _numbers(gold: str, pred: str, settings: MatchSettings) -> Outcome | None:
    gold_text, gold_unit = split_unit(gold)
    pred_text, pred_unit = split_unit(pred)
    if gold_unit and pred_unit and gold_unit != pred_unit:
        return Outcome.WRONG
    if key(gold_text) == key(pred_text) and key(gold_text):
        return Outcome.RIGHT
    gold_value, pred_value = number(gold_text), number(pred_text)
    if gold_value is None or pred_value is None:
        return _values(gold_text, pred_text, settings)
    if gold_value == pred_value:
        return Outcome.RIGHT
    if gold_value.denominator == 1 and pred_value.denominator == 1:
        return Outcome.WRONG
    # A float against a fraction, or two floats: equal to the asked number of places or not.
    if round(gold_value, settings.precision) != round(pred_value, settings.precision):
        return Outcome.WRONG
    return None


def _values(gold: str, pred: str, settings: MatchSettings) -> Outcome | None:
    """`wrong` for different values, different letters, or a value and a letter; equal ones are left to Math-Verify."""
    names = _NAME.fullmatch(gold), _NAME.fullmatch(pred)
    if names[0] and names[1] and sorted(names[0][1]) != sorted(names[1][1]):
        return Outcome.WRONG
    # Letters have values only where they may not be renamed.
    value = (lambda text: readings(text) or at_a_point(text)) if settings.strict else readings
    gold_values = value(gold)
    pred_values = _chain(pred, value) if _EQUAL.search(pred) and not _EQUAL.search(gold) else value(pred)
    if (readings(gold) and _SYMBOL.fullmatch(pred)) or (readings(pred) and _SYMBOL.fullmatch(gold)):
        return Outcome.WRONG
    different = (
        gold_values and pred_values and all(apart(one, other, settings) for one in gold_values for other in pred_values)
    )
    return Outcome.WRONG if different else None


def _is_named(text: str) -> bool:
    """Whether a text is a value or a letter, so that Math-Verify reads something there."""
    return bool(readings(text) or _NAME.fullmatch(text))


@remembered
def _is_prose(text: str) -> bool:
    """Whether a text is words without any number or formula, as Math-Verify would look for them."""
    words = plain(text)
    return not _MARKED.search(text) and bool(_PROSE.fullmatch(words) and WORD.search(words))


def _chain(text: str, value: Callable[[str], tuple[float, ...]]) -> tuple[float, ...]:
    """All values in `S = 3 + 4 = 7`; none where its end has none, or there may be more answers than one."""
    if _SEVERAL.search(text):
        return ()
    *before, last = (value(split_unit(part)[0]) for part in _EQUAL.split(text))
    return (*last, *(number for values in before for number in values)) if last else ()


def apart(one: complex, other: complex, settings: MatchSettings = DEFAULT) -> bool:
    """Whether two values are so far from each other that no rounding of Math-Verify's makes them equal."""
    limit = max(_APART * max(1.0, abs(one), abs(other)), 2 * 10.0**-settings.precision)
    return abs(one - other) > limit
