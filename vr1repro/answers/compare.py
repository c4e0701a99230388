"""When two answers are equal: cheap and certain checks first, Math-Verify last.

`cheap` runs anywhere: strings, exact numbers, units and choices, in bounded time. `deep` parses with Math-Verify, may
hang or eat memory, and therefore runs only in the workers of `vr1repro.answers.grade`.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from vr1repro.answers.extract import Rule, final_answer
from vr1repro.answers.units import MAX_ANSWER, key, number, plain, split_unit
from vr1repro.records import Outcome

Matcher = Literal["layered", "math-verify", "exact"]
MATCH_TYPES = ("latex", "expr", "string")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# `B`, `(B)`, `B.`, `B: 60`, `option B`; the rest of the line is the choice's text or nothing.
_LETTER = re.compile(
    r"(?:(?:option|choice|answer)\s{1,3})?[(\[]?\s?([A-Za-z])\s?(?:[)\].:\uff1a,]+(?=\s|\w|\\|$)|$|(?=\s[(=:-]))(.*)",
    re.DOTALL | re.IGNORECASE,
)
_ROOT = re.compile(r"(?<!\\)(?:\bsqrt|(?<=\d)sqrt|\u221a)\s?(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+))")
_PI = re.compile(r"\u03c0|(?<![\\a-zA-Z])pi\b")
# A word of prose: letters that are neither a command nor a function's name.
_WORD = re.compile(r"(?<![\\a-zA-Z{])(?!sqrt|sin|cos|tan|cot|sec|log|arc|frac|left|right)[a-zA-Z]{3,}")
# What says that a number beside it is only part of the answer.
_FORMULA = re.compile(r"[\\^\u221a\u03c0_]|\d[a-zA-Z]|\bsqrt|\bpi\b")
_POWER = re.compile(r"(?:\*\*|\^)\s?\(([^()]*)\)")
_ENVIRONMENT = re.compile(r"\$|\\\(|\\\[|\\boxed")


@dataclass(frozen=True)
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
        choices: The choices in order.
        letter_first: Whether a bare letter is a letter even where a choice reads like it (choices that are letters).
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
    index = _LETTERS.find(match[1].upper())
    if not 0 <= index < len(choices):
        return None
    rest = match[2].strip(" )].:=(-")
    if not rest:
        return index
    # `B. 60` with another text than that of choice B contradicts itself: let the text decide, if it names a choice.
    named = _by_text(rest, choices)
    return index if named is None or key(choices[named]) == key(choices[index]) else named


def _by_text(answer: str, choices: list[str]) -> int | None:
    wanted = key(answer)
    found = [index for index, choice in enumerate(choices) if key(choice) == wanted]
    if not found:
        value = number(split_unit(answer)[0])
        if value is None:
            return None
        found = [index for index, choice in enumerate(choices) if number(split_unit(choice)[0]) == value]
    texts = {key(choices[index]) for index in found}
    return found[0] if len(texts) == 1 else None


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
        choices: The choices of a multiple-choice question.
        settings: How to compare.

    Returns:
        `right`, `wrong` or `unparsable`, or None where the pair needs `deep`.
    """
    if pred is None or not pred.strip() or len(pred) > MAX_ANSWER:
        return Outcome.UNPARSABLE
    if settings.matcher == "math-verify":
        return None
    if choices:
        wanted = choice_index(gold, choices, letter_first=gold not in choices)
        named = choice_index(pred, choices)
        if wanted is not None and named is not None:
            same = wanted == named or key(choices[wanted]) == key(choices[named])
            return Outcome.RIGHT if same else Outcome.WRONG
        gold = gold_text(gold, choices)
    if key(gold) == key(pred) and key(gold):
        return Outcome.RIGHT
    decided = _numbers(gold, pred, settings)
    if decided is None and settings.matcher == "exact":
        return Outcome.WRONG
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
        return None
    if gold_value == pred_value:
        return Outcome.RIGHT
    if gold_value.denominator == 1 and pred_value.denominator == 1:
        return Outcome.WRONG
    # A float against a fraction, or two floats: equal to the asked number of places or not.
    if round(gold_value, settings.precision) != round(pred_value, settings.precision):
        return Outcome.WRONG
    return None


def deep(gold: str, pred: str, settings: MatchSettings = DEFAULT) -> Outcome:
    r"""Decide with Math-Verify. Unbounded in time and memory: only for workers that can be killed.

    With the matcher `math-verify` the texts are compared as they are. With `layered` that is done only where both are
    marked LaTeX or plain prose, for left bare Math-Verify reads `4\pi` as 4; else, and then, their cores are compared:
    the content of the answer element or last box, a bare formula dressed as LaTeX without its unit.
    Math-Verify's own timeouts stay off: they would turn a timeout into a wrong answer, and they cannot stop a long C
    call (huggingface/Math-Verify#65).
    """
    pairs = [(gold, pred)]
    if settings.matcher == "layered":
        cores = core(gold), core(pred)
        if cheap(*cores, settings=settings) is Outcome.RIGHT:
            return Outcome.RIGHT
        pairs = pairs if _safe_as_is(gold) and _safe_as_is(pred) else []
        dressed = _dress(cores[0]), _dress(cores[1])
        pairs += [dressed] if dressed not in pairs else []
    understood = False
    for gold_text, pred_text in pairs:
        gold_parsed, pred_parsed = _parse(gold_text, settings), _parse(pred_text, settings)
        if _verify(gold_parsed, pred_parsed, settings):
            return Outcome.RIGHT
        understood = understood or not gold_parsed or any(not isinstance(value, str) for value in pred_parsed)
    return Outcome.WRONG if understood else Outcome.UNPARSABLE


def _safe_as_is(text: str) -> bool:
    return bool(_ENVIRONMENT.search(text) or (_WORD.search(text) and not _FORMULA.search(text)))


def core(text: str) -> str:
    """The content of a text's answer element or last box, or the text itself."""
    found = final_answer(text)
    return found.text if found is not None and found.rule in (Rule.TAG, Rule.BOXED) else text


def _dress(text: str) -> str:
    r"""A bare formula as LaTeX: `sqrt(3)` and its sign become `\sqrt{3}`, the unit goes. Prose stays prose."""
    if _ENVIRONMENT.search(text):
        return text
    # Powers first: bold type and powers are both `**`, and `plain` takes off the former.
    text_with_powers = _POWER.sub(lambda match: "^{" + (match[1] or "") + "}", text)
    value = split_unit(re.sub(r"(?<=[\w)])\*\*(?=[\w(-])", "^", text_with_powers))[0]
    if _WORD.search(value):
        return text
    value = _PI.sub(r"\\pi ", value)
    value = _ROOT.sub(lambda match: "\\sqrt{" + (match[1] or match[2] or match[3] or "") + "}", value)
    return f"${value}$"


def _parse(text: str, settings: MatchSettings) -> list[Any]:
    import math_verify

    kinds = {
        "latex": math_verify.LatexExtractionConfig,
        "expr": math_verify.ExprExtractionConfig,
        "string": math_verify.StringExtractionConfig,
    }
    targets = tuple(kinds[name]() for name in settings.match_types)
    parsed: list[Any] = math_verify.parse(text, targets, parsing_timeout=None)
    return parsed


def _verify(gold: list[Any], pred: list[Any], settings: MatchSettings) -> bool:
    import math_verify

    return bool(
        math_verify.verify(
            gold,
            pred,
            float_rounding=settings.precision,
            strict=settings.strict,
            allow_set_relation_comp=settings.allow_set_relation_comp,
            timeout_seconds=None,
        )
    )
