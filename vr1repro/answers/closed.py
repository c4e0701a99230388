r"""The value of a short closed form: `4\sqrt{2}`, `\frac{3\pi}{2}`, `64 - 32\pi`. Bounded in time, so for any process.

`closed_form` reads what can be read in one way. A fraction behind a digit may be a mixed number, a blank between digits
a list, and what follows `/` without an operator may belong above or below. `readings` gives all values of those that
have two.
"""

import re
from math import e, isfinite

from vr1repro.answers.arithmetic import NotArithmetic, evaluate
from vr1repro.answers.units import plain, remembered

_MAX_LENGTH = 80
_KNOWN = re.compile(r"(?:[\d.+\-*/^(){} ]|\\frac|\\sqrt|\\pi|\\cdot|\\times|sqrt|pi|\u221a|\u03c0)+")
_MIXED = re.compile(r"\d\s*\\frac|\d\s+\d")
_WORDS = (("\\cdot", "*"), ("\\times", "*"), ("\\pi", "pi"), ("\u03c0", "pi"), ("\\sqrt", "sqrt"), ("\u221a", "sqrt"))
_FRACTION = re.compile(r"\\frac\s*\{([^{}]*)\}\s*(?:\{([^{}]*)\}|(\d|pi))")
_BRACED = re.compile(r"(sqrt|\^)\s*\{([^{}]*)\}")
_BARE_ROOT = re.compile(r"sqrt\s*(\d+(?:\.\d+)?)")
# Between a value and what follows it without an operator.
_PRODUCT = re.compile(r"(?<=[\d.)i])\s*(?=sqrt|pi|\()|(?<=[)i])\s*(?=\d)")
_MIXED_NUMBER = re.compile(r"(\d+)\s*(\\frac\s*\{[^{}]*\}\s*\{[^{}]*\})")
_E = re.compile(r"\(?[eE]\)?")
# Letters and what stands for them at a point. E and I may be numbers.
_LETTERS = (
    *"abcdfghjklmnopqrstuvwxyz",
    *(f"\\{name}" for name in ("alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "phi", "omega")),
)
_LITERALS = {letter: f"({1 + place * 0.6180339887498949 % 1:.6f})" for place, letter in enumerate(_LETTERS, 1)}
_LETTER = re.compile(r"\\[a-zA-Z]+|sqrt|pi|[a-zA-Z]")
# No formulas: words, logarithms without a backslash, lengths, and a letter between numbers, which may be an operator.
_NO_FORMULA = re.compile(
    r"(?<![\\a-zA-Z])(?!sqrt)[a-zA-Z]{3}|\b(?:or|to|of|in|is|at|by|if|on|as)\b|l[ng]|tg"
    r"|\d\s*[a-zA-Z]\s*\d|\d\s*[kcdm]?m\b"
)
# A letter by itself is a name rather than a formula.
_FORMULA = re.compile(r"[\d+*/^]|\\frac|\\sqrt")
_LETTERS_AT_END = re.compile(r"(?<=[\d)}\s])(?:\s*\\?[a-zA-Z]+(?:\^\{?\d\}?)?)+$")


@remembered
def readings(text: str) -> tuple[float, ...]:
    r"""Every value that a text can have; none where one of its readings is not known.

    `25\%` is 25 and a quarter, `2\frac{1}{2}` a mixed number and a product, `3:2` a quotient, `E` Euler's number (if it
    is a letter, it has no value at all).
    """
    text = plain(text)
    value = closed_form(text)
    if value is not None:
        return (value,)
    if text.endswith("%"):
        return tuple(part for value in readings(text[:-1]) for part in (value, value / 100))
    if _E.fullmatch(text):
        return (e,)
    mixed = _MIXED_NUMBER.fullmatch(text)
    terms = (mixed[1], mixed[2]) if mixed else text.split(":")
    values = [value for value in map(closed_form, terms) if value is not None]
    if len(terms) != 2 or len(values) != 2:
        return ()
    if mixed:
        return values[0] + values[1], values[0] * values[1]
    return (values[0] / values[1],) if values[1] else ()


@remembered
def closed_form(text: str) -> float | None:
    """The value of a real closed form, or None for anything else and for what can be read in two ways."""
    text = plain(text)
    return _value(text) if len(text) <= _MAX_LENGTH else None


@remembered
def at_a_point(text: str) -> tuple[float, ...]:
    """The values of a formula with letters, each letter having a value of its own; none for what is not understood.

    The same formula without the letters at its end, which may be a unit, is another reading. Two formulas whose values
    differ are not equal, whatever the letters stand for.
    """
    text = plain(text)
    if len(text) > _MAX_LENGTH or _NO_FORMULA.search(text) or not _FORMULA.search(text):
        return ()
    forms = {_LETTER.sub(_literal, form) for form in (text, _LETTERS_AT_END.sub("", text))}
    values = [value for value in map(_value, forms) if value is not None]
    return tuple(values) if len(values) == len(forms) else ()


def _literal(match: re.Match[str]) -> str:
    # Capitals as small letters: what Math-Verify may take for the same is the same here.
    return _LITERALS.get(match.group().lower(), match.group())


def _value(text: str) -> float | None:
    written = text
    if not _KNOWN.fullmatch(text) or _MIXED.search(text):
        return None
    for old, new in _WORDS:
        text = text.replace(old, new)
    before = None
    while before != text:  # the innermost braces first; each turn removes a pair
        before = text
        text = _FRACTION.sub(r"((\1)/(\2\3))", text)
        text = _BRACED.sub(r"\1(\2)", text)
    if "{" in text or "}" in text or "\\" in text:
        return None
    text = _BARE_ROOT.sub(r"sqrt(\1)", text)
    if "/" in written and _PRODUCT.search(text, text.index("/")):
        return None
    try:
        value = evaluate(_PRODUCT.sub("*", text).replace("^", "**"))
        return float(value) if not isinstance(value, complex) and isfinite(value) else None
    except (NotArithmetic, OverflowError):
        return None
