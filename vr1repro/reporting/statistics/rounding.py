"""Numbers as they are printed: freed of floating point's noise, then rounded once, in decimal, halves to even.

181 of 400 is 45.25 %, half way between 45.2 and 45.3. Which double stands for it depends on the order of a sum, and
that on the processor; so rounding the double prints one or the other. Every digit of a table, a page or a reason comes
from here instead: what lies beyond the digits that arithmetic can vouch for is cut off first, and a tie is then a tie.
"""

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal

# Scores are made with errors of some 1e-15 of their size; a difference of two percentages keeps the larger one's.
_DIGITS, _DECIMALS = 12, 10
_WIDE = Context(prec=400, rounding=ROUND_HALF_EVEN)  # room for any double


def settled(value: float) -> Decimal:
    """A finite number to the digits that do not depend on how it was added up: twelve, and ten behind the point.

    Raises:
        ValueError: The number is not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} has no digits")
    return _rounded(Decimal(f"{value:.{_DIGITS - 1}e}"), -_DECIMALS)


def fixed(value: float, decimals: int, *, signed: bool = False, grouped: bool = False) -> str:
    """A number with so many decimals; a zero has no minus. `inf`, `-inf` and `nan` stay words.

    Args:
        signed: A positive number gets a plus, also where it rounds to zero.
        grouped: A comma parts the thousands.
    """
    if not math.isfinite(value):
        return f"{value:+}" if signed else f"{value}"
    exact = settled(value)
    rounded, sign = _rounded(exact, -decimals), "+" * (signed and exact > 0)
    return f"{abs(rounded) if rounded == 0 else rounded:{sign}{',' * grouped}.{decimals}f}"


def interval(low: float, high: float, decimals: int) -> str:
    """The interval of a difference: `[-0.30, +1.20]`."""
    return f"[{fixed(low, decimals, signed=True)}, {fixed(high, decimals, signed=True)}]"


def percent(share: float, decimals: int = 0) -> str:
    """A share as percent: 0.825 is `83%`."""
    return f"{fixed(100 * share, decimals)}%"


def significant(value: float, digits: int = 6) -> str:
    """A number with at most so many significant digits, no zeros at the end; `inf`, `-inf` and `nan` stay words."""
    if not math.isfinite(value) or not (decimal := settled(value)):
        return f"{value if not math.isfinite(value) else 0:g}"
    return f"{float(_rounded(decimal, decimal.adjusted() + 1 - digits)):.{digits}g}"


def _rounded(value: Decimal, exponent: int) -> Decimal:
    """Rounded to a multiple of a power of ten."""
    return value.quantize(Decimal(1).scaleb(exponent), context=_WIDE)
