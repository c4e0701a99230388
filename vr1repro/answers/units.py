r"""Plain forms of short answers: LaTeX dressing off, units apart, numbers exact.

Golds of the multimodal benchmarks carry units in many hands: a degree sign, `^\circ`, `cm`, Chinese words. Both sides
of a comparison go through the same functions here, so that `140` answers a gold of `140` degrees.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, wraps
from typing import TypeVar

T = TypeVar("T")

# What is longer is no final answer; every function here returns it unchanged or None, so that time stays bounded.
MAX_ANSWER = 20_000
_MAX_DIGITS = 300

# Full-width ASCII and the ideographic blank. Not NFKC, which would turn a superscript two into a digit.
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_DRESSING = (
    ("\\left", ""),
    ("\\right", ""),
    ("\\!", ""),
    ("\\,", " "),
    ("\\;", " "),
    ("\\:", " "),
    ("\\ ", " "),
    ("~", " "),
    ("\\dfrac", "\\frac"),
    ("\\tfrac", "\\frac"),
    ("\\displaystyle", ""),
    ("\\$", ""),
    ("$", ""),
    ("\\(", ""),
    ("\\)", ""),
    ("\\[", ""),
    ("\\]", ""),
    ("\\%", "%"),
    ("\u2212", "-"),
    ("\u63b3", "\u00b0"),  # MathVerse: the degree sign of a UTF-8 file read as GBK
    ("^{\\circ}", "\u00b0"),
    ("^\\circ", "\u00b0"),
    ("^{\\degree}", "\u00b0"),
    ("^\\degree", "\u00b0"),
    ("\\degree", "\u00b0"),
    ("^\u25e6", "\u00b0"),
    ("\u25e6", "\u00b0"),
    ("\u00ba", "\u00b0"),
)
# Bold type and powers are both `**`. Bold opens before a word and closes behind one; a power stands between two values.
_BOLD = re.compile(r"(?<![\w)])\*\*(?=\S)([^*]+)(?<=\S)\*\*|(?<![\w)])\*\*(?=\S)|(?<=\S)\*\*(?![\w(.-])")
# What any of them begins with; most answers have none.
_DRESSED = re.compile(r"[\\$~{\u0080-\U0010ffff]|\*\*")
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|mbox|textbf|textit|operatorname|mathit|rm)\s?\{([^{}]*)\}")
# A benchmark in use writes `8\sqrt{3}{squareinches}`.
_BRACED_UNIT = re.compile(r"(?<=[\d}])\{(square|cubic|)\s?(degrees?|inch(?:es)?|feet|(?:centi)?meters?|units?)\}")
_FRACTION = re.compile(r"(-?)\\frac\{?(-?\d{1,60})\}?\{(-?\d{1,60})\}")
_PLAIN = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,300})?(?:\.\d{0,300})?(?:[eE][-+]?\d{1,3})?")
_RATIO = re.compile(r"([-+]?\d{1,60})\s?/\s?(\d{1,60})")

# Longest first, so that `cm` is not read as `m`. Names of one unit map to one name.
_UNITS = {
    "degrees": "deg",
    "degree": "deg",
    "deg": "deg",
    "\u00b0": "deg",
    "\u5ea6": "deg",
    "centimeters": "cm",
    "centimetres": "cm",
    "centimeter": "cm",
    "cm": "cm",
    "\u5398\u7c73": "cm",
    "millimeters": "mm",
    "mm": "mm",
    "\u6beb\u7c73": "mm",
    "kilometers": "km",
    "km": "km",
    "\u5343\u7c73": "km",
    "\u516c\u91cc": "km",
    "decimeters": "dm",
    "dm": "dm",
    "\u5206\u7c73": "dm",
    "meters": "m",
    "metres": "m",
    "meter": "m",
    "\u7c73": "m",
    "m": "m",
    "feet": "ft",
    "ft": "ft",
    "inches": "in",
    "inch": "in",
    "in": "in",
    "miles": "mi",
    "units": "unit",
    "unit": "unit",
    "years": "year",
    "year": "year",
    "hours": "h",
    "hour": "h",
    "minutes": "min",
    "seconds": "s",
    "grams": "g",
    "kg": "kg",
    "g": "g",
    "yuan": "yuan",
    "dollars": "usd",
    "\u5143": "yuan",
    "\u4e2a": "unit",
}
_UNIT = re.compile(
    r"(?P<value>.*?[\d)}\]a-zA-Z\u03c0])\s*(?P<area>square |cubic |\u5e73\u65b9|\u7acb\u65b9)?"
    r"(?P<unit>" + "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True)) + r")"
    r"(?P<power>\s?\^?\s?\{?[23]\}?|\u00b2|\u00b3)?\.?",
    re.DOTALL | re.IGNORECASE,
)
_AREAS = {"square": "2", "cubic": "3", "\u5e73\u65b9": "2", "\u7acb\u65b9": "3"}


def remembered(function: Callable[[str], T]) -> Callable[[str], T]:
    """Remember what a pure function made of a short text, so that memory stays bounded.

    Golds and choices come again with every row, and so do most answers: few texts are distinct.
    """
    short = lru_cache(maxsize=8192)(function)

    @wraps(function)
    def remembering(text: str) -> T:
        return short(text) if len(text) <= _MAX_DIGITS else function(text)

    return remembering


@remembered
def plain(text: str) -> str:
    """A short answer without LaTeX dressing, full-width forms, outer blanks and the closing full stop."""
    if len(text) > MAX_ANSWER:
        return text
    if _DRESSED.search(text) is not None:
        text = text.translate(_FULL_WIDTH)
        for old, new in _DRESSING:
            text = text.replace(old, new)
        text = _BOLD.sub(r"\1", text)
        text = _WRAPPED.sub(r"\1", text)
        text = _BRACED_UNIT.sub(r" \1 \2", text)
    return " ".join(text.split()).rstrip(".,;:\u3002").strip()


@remembered
def key(text: str) -> str:
    """`plain` text folded for equality: no case, no blanks."""
    return plain(text).casefold().replace(" ", "")


@remembered
def split_unit(text: str) -> tuple[str, str | None]:
    """Value and canonical unit of a plain answer.

    A letter counts as a unit only behind a digit or a closing bracket (`5m`), or behind a blank (`x m`), so that
    words and products of variables keep their letters.

    Returns:
        The value without its unit, and the unit's one name (with `^2`, `^3`), or None where there is none.
    """
    text = plain(text)
    if len(text) > _MAX_DIGITS:
        return text, None
    match = _UNIT.fullmatch(text)
    if match is None:
        return text, None
    value = match["value"]
    glued = match.start("area" if match["area"] else "unit") == match.end("value")
    name = match["unit"]
    if glued and value[-1].isalpha() and value[-1].isascii() and name.isascii():
        return text, None
    if not any(character.isdigit() or character == "\\" for character in value):
        return text, None
    if name.lower() == "in" and match["power"]:  # `1 in 3` is a chance
        return text, None
    power = (match["power"] or "").strip(" ^{}").translate({0xB2: "2", 0xB3: "3"})
    if match["area"]:
        power = _AREAS[match["area"].strip()]
    return value.strip(), _UNITS[name.lower()] + (f"^{power}" if power else "")


@remembered
def number(text: str) -> Fraction | None:
    r"""The exact value of a plain decimal, `a/b` or `\frac{a}{b}`; None for anything else, percentages included."""
    text = plain(text).replace(" ", "")
    if not text or len(text) > _MAX_DIGITS:
        return None
    match = _RATIO.fullmatch(text)
    if match:
        return _ratio(match[1], match[2])
    match = _FRACTION.fullmatch(text)
    if match:
        value = _ratio(match[2], match[3])
        return None if value is None else (-value if match[1] else value)
    if _PLAIN.fullmatch(text) and any(character.isdigit() for character in text):
        try:
            return Fraction(text.replace(",", ""))
        except ValueError:
            return None
    return None


def _ratio(above: str, below: str) -> Fraction | None:
    return Fraction(int(above), int(below)) if int(below) else None
