r"""The value of a short closed form: `4\sqrt{2}`, `\frac{3\pi}{2}`, `64 - 32\pi`. Bounded in time, so for any process.

Only what can be read in one way is read. A fraction behind a digit may be a mixed number, a blank between digits a
list, and what follows `/` without an operator may belong above or below: those are left to Math-Verify.
"""

import re
from math import isfinite

from vr1repro.answers.arithmetic import NotArithmetic, evaluate
from vr1repro.answers.units import plain

_MAX_LENGTH = 80
_KNOWN = re.compile(r"(?:[\d.+\-*/^(){} ]|\\frac|\\sqrt|\\pi|\\cdot|\\times|sqrt|pi|\u221a|\u03c0)+")
_MIXED = re.compile(r"\d\s*\\frac|\d\s+\d")
_WORDS = (("\\cdot", "*"), ("\\times", "*"), ("\\pi", "pi"), ("\u03c0", "pi"), ("\\sqrt", "sqrt"), ("\u221a", "sqrt"))
_FRACTION = re.compile(r"\\frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_BRACED = re.compile(r"(sqrt|\^)\s*\{([^{}]*)\}")
_BARE_ROOT = re.compile(r"sqrt\s*(\d+(?:\.\d+)?)")
# Between a value and what follows it without an operator.
_PRODUCT = re.compile(r"(?<=[\d.)i])\s*(?=sqrt|pi|\()|(?<=[)i])\s*(?=\d)")


def closed_form(text: str) -> float | None:
    """The value of a real closed form, or None for anything else and for what can be read in two ways."""
    written = text = plain(text)
    if len(text) > _MAX_LENGTH or not _KNOWN.fullmatch(text) or _MIXED.search(text):
        return None
    for old, new in _WORDS:
        text = text.replace(old, new)
    before = None
    while before != text:  # the innermost braces first; each turn removes a pair
        before = text
        text = _FRACTION.sub(r"((\1)/(\2))", text)
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
