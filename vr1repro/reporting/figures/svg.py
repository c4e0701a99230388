"""An SVG of matplotlib's with nothing in it that depends on the processor: coordinates of few decimals, counted names.

matplotlib multiplies its transformations with BLAS, whose last digit depends on the processor. It prints six decimals
of a coordinate, and names clip paths and shapes by a hash of all digits; so one figure has many files. A thousandth of
a point is less than any printer sets.
"""

import re

from vr1repro.reporting.statistics.rounding import fixed

_DECIMALS = 3
# Paths, places and shifts; a factor of scale() keeps its digits, for it multiplies.
_PLACES = re.compile(r'(?<=[ \n][dxy]=")[^"]*|(?<= width=")[^"]*|(?<= height=")[^"]*|(?<=translate\()[^)]*')
_LONG = re.compile(rf"-?\d+\.\d{{{_DECIMALS + 1},}}")
# What `RendererSVG._make_id` makes: a kind, and ten digits of a hash.
_HASHED = re.compile(r'(?<=["#])([pmh]|C[0-9a-f]+_[0-9a-f]+_)[0-9a-f]{10}(?=[")])')


def canonical(text: str) -> str:
    """The same drawing, coordinates rounded and hashed names numbered in the order in which they appear."""
    names: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"{match[1]}{len(names)}")

    def placed(match: re.Match[str]) -> str:
        return _LONG.sub(lambda number: _short(number[0]), match[0])

    return _HASHED.sub(named, _PLACES.sub(placed, text))


def _short(number: str) -> str:
    return fixed(float(number), _DECIMALS).rstrip("0").rstrip(".")
