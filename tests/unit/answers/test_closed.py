"""Values of closed forms, against sympy's reading by Math-Verify."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.closed import closed_form
from vr1repro.answers.compare import cheap
from vr1repro.answers.mathverify import deep
from vr1repro.answers.units import number, plain
from vr1repro.records import Outcome


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"4\sqrt{2}", 4 * math.sqrt(2)),
        (r"$\frac{3 \pi}{2}$", 1.5 * math.pi),
        (r"64 - 32\pi", 64 - 32 * math.pi),
        (r"\frac{\sqrt{5}-1}{2}", (math.sqrt(5) - 1) / 2),
        (r"\sqrt{\frac{1}{2}}", math.sqrt(0.5)),
        (r"2^{12} 13^2", 2**12 * 169),
        (r"-2^2", -4),
        (r"2(\sqrt{2}-1)", 2 * (math.sqrt(2) - 1)),
        ("sqrt(3)", math.sqrt(3)),
        ("2\u221a3", 2 * math.sqrt(3)),
        (r"5\pi/2", 2.5 * math.pi),
        ("2**3", 8),
        ("3 ** 4", 81),
    ],
)
def test_values(text: str, value: float) -> None:
    assert closed_form(text) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        r"1\frac{3}{5}",  # a mixed number, or a product
        r"2/3\pi",  # above or below the line
        "3 4", "(3, 4)", "1.5.2", r"\pi r", "x + 1", "50%", "", ".", r"\frac{1}{0}", "9**9**9", r"\sqrt{-1}",
        "1" * 200, "(" * 70, "{" * 70,
    ],
)  # fmt: skip
def test_what_is_left_to_math_verify(text: str) -> None:
    assert closed_form(text) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**5**", "5"), ("**5** cm", "5 cm"), ("is **5**.", "is 5"), ("**a** and **b**", "a and b"), ("5**", "5"),
        ("2**3", "2**3"), ("2**3**2", "2**3**2"), ("(x+1)**2", "(x+1)**2"), ("3 ** 4", "3 ** 4"),
    ],
)  # fmt: skip
def test_bold_goes_and_powers_stay(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_a_power_is_not_its_digits() -> None:
    assert number("2**3") is None
    assert cheap("23", "2**3") is Outcome.WRONG
    assert cheap("8", "2**3") is None  # equal values are Math-Verify's to confirm
    assert deep("8", "2**3") is Outcome.RIGHT


@pytest.mark.parametrize(
    ("gold", "pred"), [(r"\frac{\sqrt{3}}{6}", "0.5"), ("7", "BD"), ("(D)", "12"), (r"\pi", r"16 $\pi$"), ("4", "(B)")]
)
def test_different_values_need_no_math_verify(gold: str, pred: str) -> None:
    assert cheap(gold, pred) is Outcome.WRONG


@pytest.mark.parametrize(
    ("gold", "pred"),
    [(r"\sqrt{2}", "1.4142"), (r"10\sqrt{2}", "10 sqrt(2)"), ("3", "x = 3"), ("e", "2.718"), ("1.6", r"1\frac{3}{5}")],
)
def test_close_values_do(gold: str, pred: str) -> None:
    assert cheap(gold, pred) is None


terms = st.sampled_from(
    ["2", "5", "0.5", r"\pi", r"\sqrt{2}", r"\sqrt{7}", r"\frac{1}{3}", r"\frac{\sqrt{3}}{4}", "3^2", "2^{-1}"]
)
sums = st.lists(terms, min_size=1, max_size=3).map(" + ".join)
products = st.lists(terms.filter(lambda term: term[0] == "\\"), min_size=1, max_size=2).map(r" \cdot ".join)
forms = st.one_of(sums, products, st.tuples(sums, sums).map(lambda pair: rf"\frac{{{pair[0]}}}{{{pair[1]}}}"))


@given(gold=forms, pred=forms)
def test_what_is_decided_here_math_verify_decides_alike(gold: str, pred: str) -> None:
    decided = cheap(gold, pred)
    if decided is not None:
        assert deep(f"${gold}$", f"${pred}$") is decided


@given(st.text(alphabet=r"0123456789.+-*/^(){}$ \fracsqtpi", max_size=90))
def test_any_text_has_a_value_or_none(text: str) -> None:
    value = closed_form(text)
    assert value is None or math.isfinite(value)
