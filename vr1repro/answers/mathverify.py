"""When two answers are equal, as Math-Verify sees it.

It may hang or eat memory, and therefore runs only in the workers of `vr1repro.answers.grade`.
"""

import re
from functools import lru_cache
from math import isfinite
from typing import Any

from vr1repro.answers.compare import DEFAULT, WORD, MatchSettings, apart, cheap
from vr1repro.answers.extract import Rule, final_answer
from vr1repro.answers.units import split_unit
from vr1repro.core.records import Outcome

_ROOT = re.compile(r"(?<!\\)(?:\bsqrt|(?<=\d)sqrt|\u221a)\s?(?:\(([^()]*)\)|\{([^{}]*)\}|(\d+))")
_PI = re.compile(r"\u03c0|(?<![\\a-zA-Z])pi\b")
# What says that a number beside it is only part of the answer.
_FORMULA = re.compile(r"[\\^\u221a\u03c0_]|\d[a-zA-Z]|\bsqrt|\bpi\b")
_POWER = re.compile(r"(?:\*\*|\^)\s?\(([^()]*)\)")
# A formula that Math-Verify finds, if only as text, whatever is in it.
_GIVES = re.compile(r"(?<![\\\d])\$(?=[^$\n]*[^\W_])[^$\n\\]*(?:\\[^$\n][^$\n\\]*)*\$")
_ENVIRONMENT = re.compile(r"\$|\\\(|\\\[|\\boxed")


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
        pred_parsed = _parse(pred_text, settings)
        if not pred_parsed and _GIVES.search(gold_text):  # equal to nothing, and the gold's parse would not be empty
            continue
        gold_parsed = _parse(gold_text, settings)
        if _verify(gold_parsed, pred_parsed, settings):
            return Outcome.RIGHT
        understood = understood or not gold_parsed or any(not isinstance(value, str) for value in pred_parsed)
    return Outcome.WRONG if understood else Outcome.UNPARSABLE


def _safe_as_is(text: str) -> bool:
    return bool(_ENVIRONMENT.search(text) or (WORD.search(text) and not _FORMULA.search(text)))


def core(text: str) -> str:
    """The content of a text's answer element or last box, or the text itself."""
    extraction = final_answer(text)
    return extraction.text if extraction is not None and extraction.rule in (Rule.TAG, Rule.BOXED) else text


def _dress(text: str) -> str:
    r"""A bare formula as LaTeX: `sqrt(3)` and its sign become `\sqrt{3}`, the unit goes. Prose stays prose."""
    if _ENVIRONMENT.search(text):
        return text
    # Powers first: bold type and powers are both `**`, and `plain` takes off the former.
    text_with_powers = _POWER.sub(lambda match: "^{" + (match[1] or "") + "}", text)
    value = split_unit(re.sub(r"(?<=[\w)])\*\*(?=[\w(-])", "^", text_with_powers))[0]
    if WORD.search(value):
        return text
    value = _PI.sub(r"\\pi ", value)
    value = _ROOT.sub(lambda match: "\\sqrt{" + (match[1] or match[2] or match[3] or "") + "}", value)
    return f"${value}$"


@lru_cache(maxsize=4096)  # golds come again with every model, wrong answers with every sample
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

    texts = [{value.strip() for value in parsed if isinstance(value, str)} for parsed in (gold, pred)]
    values = [[value for value in parsed if not isinstance(value, str)] for parsed in (gold, pred)]
    if not texts[0] & texts[1] and all(certainly_different(a, b, settings) for a in values[0] for b in values[1]):
        return False
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


def certainly_different(gold: Any, pred: Any, settings: MatchSettings = DEFAULT) -> bool:
    """Whether two expressions have different values at one point, so that no simplification can make them equal.

    Math-Verify simplifies the difference of any two expressions, which is most of its time on wrong answers. Only what
    it compares by value is judged here: no equations, sets, single symbols, functions without a body, or percentages
    (which it lets equal their number). Symbols get positive values, as Math-Verify takes them to be real.
    """
    from sympy import Expr, N, Rational, Symbol, UnevaluatedExpr
    from sympy.core.function import AppliedUndef

    for value in (gold, pred):
        if not isinstance(value, Expr) or isinstance(value, Symbol) or value.has(UnevaluatedExpr, AppliedUndef):
            return False
    names = sorted({str(symbol) for value in (gold, pred) for symbol in value.free_symbols})
    if names and not settings.strict:  # variables may be renamed
        return False
    point = {name: Rational(1009 + 131 * k * k, 617 + 89 * k) for k, name in enumerate(names)}
    try:
        numbers = [
            complex(N(value.subs({symbol: point[str(symbol)] for symbol in value.free_symbols}).doit(), 20))
            for value in (gold, pred)
        ]
    except (TypeError, ValueError, ArithmeticError, AttributeError):
        return False
    if not all(isfinite(part) for number in numbers for part in (number.real, number.imag)):
        return False
    return apart(numbers[0], numbers[1], settings)
