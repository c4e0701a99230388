"""Values of closed forms, against sympy's reading by Math-Verify."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.closed import at_a_point, closed_form, readings
from vr1repro.answers.compare import MatchSettings, cheap
from vr1repro.answers.mathverify import deep
from vr1repro.answers.units import number, plain
from vr1repro.core.records import Outcome


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


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("7", (7,)),
        (r"25\%", (25, 0.25)),
        (r"2\frac{1}{2}", (2.5, 1)),
        ("3 : 2", (1.5,)),
        (r"\sqrt{3}:1", (math.sqrt(3),)),
        (r"\frac{\pi}7", (math.pi / 7,)),
        ("E", (math.e,)),
        ("1:0", ()),
        ("1:2:3", ()),
        ("x", ()),
        ("50% of it", ()),
    ],
)
def test_all_readings(text: str, values: tuple[float, ...]) -> None:
    assert readings(text) == pytest.approx(values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2ab", "a b 2"),
        ("(a+b)^2", "a^2+2ab+b^2"),
        (r"\frac{x}{2}", "0.5x"),
        (r"3\theta", r"\theta+2\theta"),
        ("2x", "2X"),
    ],
)
def test_equal_formulas_have_equal_values(one: str, other: str) -> None:
    assert any(value == pytest.approx(wanted) for value in at_a_point(one) for wanted in at_a_point(other))


@pytest.mark.parametrize(
    "text",
    [
        "ab",
        "3 apples",
        "2 or x",
        "2 ln x",
        "ln 2",
        "3x4",
        "5C2",
        "24 cm + x",
        r"\sin x + 1",
        "x_1+2",
        "2i",
        "e^x",
        "x" * 90,
    ],
)
def test_formulas_that_are_not_understood(text: str) -> None:
    assert at_a_point(text) == ()


@pytest.mark.parametrize(
    ("gold", "pred"),
    [
        ("4", "x = 10"), ("13", "1+2+5+6=14"), ("5", r"AB \approx 4.2"), (r"3\sqrt{2}", "PB=5"), ("32", "50%"),
        ("9", r"2\frac{1}{2}"), ("1:2", "1:16"), ("A", "4:50"), ("E", "3"), ("A", "E"), ("D", "AC"), ("I", "2"),
        ("12", r"\frac{x^2}{6}"), ("3ab", "2ab"), ("25\\pi", r"\pi r^2"),
    ],
)  # fmt: skip
def test_readings_that_all_differ_are_wrong(gold: str, pred: str) -> None:
    assert cheap(gold, pred) is Outcome.WRONG
    assert deep(gold, pred) is Outcome.WRONG


@pytest.mark.parametrize(
    ("gold", "pred"),
    [
        ("4", "x = 4"), ("4", "4 = x"), ("4", "x = 4 = 5"), ("3", "x = 3, y = 4"), ("20", "20%"), ("0.2", "20%"),
        ("2", r"2\frac{1}{1}"), ("0.5", "1:2"), ("12", "12 L"), ("12", r"12 \mu"), ("e", "2.718"), ("AB", "BA"),
        ("0.693147", "ln 2"), ("10", "5C2"), ("12", "3x4"), ("x=3", "y=4"), ("x+1", "1+x"),
    ],
)  # fmt: skip
def test_a_reading_that_may_be_meant_is_left_to_math_verify(gold: str, pred: str) -> None:
    assert cheap(gold, pred) in (None, Outcome.RIGHT)


def test_renamed_variables_have_no_values() -> None:
    assert cheap("2x", "3y") is Outcome.WRONG
    assert cheap("2x", "3y", settings=MatchSettings(strict=False)) is None


@pytest.mark.parametrize("gold", ["7", r"\sqrt{2}", "$A$", "1:2", "E"])
@pytest.mark.parametrize("pred", ["None of the above", r"\text{No solution}", "Bird.", "The one (in the middle)"])
def test_prose_is_unparsable_here_as_for_math_verify(gold: str, pred: str) -> None:
    assert cheap(gold, pred) is Outcome.UNPARSABLE
    assert deep(gold, pred) is Outcome.UNPARSABLE
    assert cheap(gold, pred, settings=MatchSettings(matcher="exact")) is Outcome.WRONG


letters = st.sampled_from(["a", "b", "2", "x", r"\frac{x}{2}", "(a+b)", r"\sqrt{b}", "a^2", r"\pi"])
# Not set side by side: of `a b 2` Math-Verify 0.9 reads `a` alone.
products = st.lists(letters, min_size=1, max_size=3).map(r" \cdot ".join)
formulas = st.lists(products, min_size=1, max_size=3).map(" + ".join)


@given(gold=formulas, pred=formulas)
def test_what_is_decided_on_formulas_math_verify_decides_alike(gold: str, pred: str) -> None:
    decided = cheap(gold, pred)
    if decided is not None:
        assert deep(f"${gold}$", f"${pred}$") is decided
