"""Digits as printed: ties are ties whatever the noise, and round to even."""

import ast
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.reporting.statistics import rounding

# A conversion that rounds a double by itself: `:.1f`, `:+.2f`, `:6.3f`, `:.0%`, `:.6g`.
_ROUNDS = re.compile(r"\.\d+[eEfFgG%]")


@pytest.mark.parametrize("value", [45.25, math.nextafter(45.25, 99), math.nextafter(45.25, 0), 45.25 + 3e-13])
def test_a_tie_is_a_tie_with_and_without_noise(value: float) -> None:
    assert rounding.fixed(value, 1) == "45.2"
    assert rounding.fixed(-value, 1) == "-45.2"
    assert rounding.significant(value, 3) == "45.2"


@pytest.mark.parametrize(
    ("value", "decimals", "options", "text"),
    [
        (45.35, 1, {}, "45.4"),  # the double lies below the tie
        (45.2500001, 1, {}, "45.3"),
        (-1.3e-15, 1, {"signed": True}, "0.0"),
        (1.3e-15, 2, {"signed": True}, "0.00"),
        (0.04, 1, {"signed": True}, "+0.0"),
        (-0.04, 1, {"signed": True}, "0.0"),
        (-3.25, 1, {"signed": True}, "-3.2"),
        (1234567.5, 0, {"grouped": True}, "1,234,568"),
        (1e300, 1, {}, f"{10**300}.0"),
        (math.inf, 1, {}, "inf"),
        (-math.inf, 1, {"signed": True}, "-inf"),
        (math.nan, 1, {}, "nan"),
    ],
)
def test_fixed(value: float, decimals: int, options: dict[str, bool], text: str) -> None:
    assert rounding.fixed(value, decimals, **options) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (47.00000000000001, "47"),
        (0.2999999999999972, "0.3"),
        (57.03125, "57.0312"),
        (math.nextafter(57.03125, 99), "57.0312"),
        (1.49468e-15, "0"),
        (1e-6, "1e-06"),
        (1234567.0, "1.23457e+06"),
        (-6.273684210526312, "-6.27368"),
        (math.inf, "inf"),
    ],
)
def test_significant(value: float, text: str) -> None:
    assert rounding.significant(value) == text


def test_percent_and_interval() -> None:
    assert rounding.percent(0.825) == "82%"
    assert rounding.percent(0.95) == "95%"
    assert rounding.interval(-0.3, 1.2000000000000002, 2) == "[-0.30, +1.20]"


def test_what_has_no_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="nan has no digits"):
        rounding.settled(math.nan)


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.integers(-8, 8))
def test_neighbours_of_a_percentage_print_alike(hits: int, n: int, steps: int) -> None:
    """Eight doubles up or down, more than any order of adding makes of a mean."""
    value = noisy = 100 * (hits % (n + 1)) / n
    for _ in range(abs(steps)):
        noisy = math.nextafter(noisy, math.copysign(math.inf, steps))
    assert rounding.fixed(noisy, 1) == rounding.fixed(value, 1)
    assert rounding.fixed(noisy, 2) == rounding.fixed(value, 2)


def test_reporting_prints_no_number_of_its_own_rounding(repo: Path) -> None:
    broken = []
    for path in sorted((repo / "vr1repro" / "reporting").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            spec = ast.unparse(node.format_spec) if isinstance(node, ast.FormattedValue) and node.format_spec else ""
            if path.name != "rounding.py" and _ROUNDS.search(spec):
                broken.append(f"{path.relative_to(repo)}:{node.lineno}")
    assert not broken, f"use statistics.rounding: {broken}"
