from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.compare import MatchSettings, cheap, choice_index
from vr1repro.answers.distance import levenshtein
from vr1repro.answers.mathverify import certainly_different, deep
from vr1repro.answers.units import key, number, plain, split_unit
from vr1repro.core.records import Outcome

RIGHT, WRONG, UNPARSABLE = Outcome.RIGHT, Outcome.WRONG, Outcome.UNPARSABLE


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("140°", "140", "deg"),
        ("65^{\\circ}", "65", "deg"),
        ("35掳", "35", "deg"),
        ("12\\text{ cm}", "12", "cm"),
        ("6平方厘米", "6", "cm^2"),
        ("5米", "5", "m"),
        ("3cm²", "3", "cm^2"),
        ("10\\sqrt{3}米", "10\\sqrt{3}", "m"),
        ("20 square meters", "20", "m^2"),
        ("240πcm^{2}", "240π", "cm^2"),
        ("sum", "sum", None),
        ("2a", "2a", None),
        ("x m", "x m", None),
        ("24 in", "24", "in"),
        ("1 in 3", "1 in 3", None),
        ("69{degrees}", "69", "deg"),
        ("8\\sqrt{3}{squareinches}", "8\\sqrt{3}", "in^2"),
    ],
)
def test_split_unit(text, value, unit):
    assert split_unit(text) == (value, unit)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234.5", Fraction("1234.5")),
        ("-3/4", Fraction(-3, 4)),
        ("$\\dfrac{1}{2}$", Fraction(1, 2)),
        ("-\\frac{1}{2}", Fraction(-1, 2)),
        ("１２", Fraction(12)),
        (".5", Fraction(1, 2)),
        ("1e3", Fraction(1000)),
        ("5²", None),
        ("1/0", None),
        ("50%", None),
        ("1e999999999", None),
        ("9" * 301, None),
        ("", None),
    ],
)
def test_number(text, value):
    assert number(text) == value


@pytest.mark.parametrize(
    ("gold", "pred", "outcome"),
    [
        ("140°", "140", RIGHT),
        ("140°", "140.0", RIGHT),
        ("140", "40", WRONG),
        ("0.5", "1/2", RIGHT),
        ("\\text{yes}", "Yes.", RIGHT),
        ("3 cm", "3 m", WRONG),
        ("3.14", "3.15", WRONG),
        ("12", None, UNPARSABLE),
        ("12", "  ", UNPARSABLE),
        ("12", "9" * 30_000, UNPARSABLE),
        ("\\sqrt{2}", "1.414", None),
        ("1/3", "0.3333333", None),
    ],
)
def test_cheap(gold, pred, outcome):
    assert cheap(gold, pred) is outcome


@pytest.mark.parametrize(
    ("pred", "index"),
    [
        ("B", 1),
        ("(b)", 1),
        ("B.", 1),
        ("option C", 2),
        ("B: 60°", 1),
        ("B) 60^\\circ", 1),
        ("B. 120°", 2),
        ("60", 1),
        ("60 degrees", 1),
        ("E", None),
        ("A or B", None),
        ("", None),
        ("61", None),
    ],
)
def test_choice_index(pred, index):
    assert choice_index(pred, ["40°", "60°", "120°", "140°"]) == index


def test_choices_that_are_letters():
    choices = ["B", "A", "C"]
    assert choice_index("B", choices) == 1
    assert choice_index("B", choices, letter_first=False) == 0


@pytest.mark.parametrize(
    ("gold", "pred", "outcome"), [("60°", "B", RIGHT), ("B", "60", RIGHT), ("B", "40°", WRONG), ("60°", "(A)", WRONG)]
)
def test_cheap_with_choices(gold, pred, outcome):
    assert cheap(gold, pred, ["40°", "60°", "120°"]) is outcome


@pytest.mark.parametrize("pred", ["A, B, C, D, E", "(A), (C), and (E)", "A b c", "A or B", "A/B"])
def test_several_letters_are_no_choice(pred):
    assert cheap("A", pred, ["A", "B", "C", "D", "E"]) is WRONG
    assert choice_index(pred, ["40°", "60°", "120°"]) is None


def test_a_choice_that_names_several_is_one():
    assert cheap("B", "A and C", ["A and B", "A and C"]) is RIGHT
    assert cheap("A", "(A) A and B", ["A and B", "A and C"]) is RIGHT


def test_duplicated_choices_are_both_right():
    assert cheap("18", "D", ["18", "19", "20", "18"]) is RIGHT


@pytest.mark.parametrize(
    ("gold", "pred", "outcome"),
    [
        ("\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}", RIGHT),
        ("2√3", "2\\sqrt{3}", RIGHT),
        ("10\\sqrt{3}米", "10\\sqrt{3}", RIGHT),
        ("\\sqrt{3} - 1", "-1 + sqrt(3)", RIGHT),
        ("x=2", "2", RIGHT),
        ("\\boxed{54}", "Steps: 1, 2.\n\n<answer>54</answer>", RIGHT),
        ("4\\pi", "4", WRONG),
        ("4π cm", "4 pi", RIGHT),
        ("2x", "2", WRONG),
        ("12", "there are 12 of them", RIGHT),
        ("2\\sqrt{3}", "2", WRONG),
        ("3", "?!", UNPARSABLE),
        ("$s^{2}+1-2 s$", "White Squares", UNPARSABLE),  # nothing to read beside a formula
        ("only red", "Blue", WRONG),  # nothing to read on either side
    ],
)
def test_deep(gold, pred, outcome):
    assert deep(gold, pred) is outcome


def test_math_verify_alone_sees_the_text_as_it_is():
    alone = MatchSettings(match_types=("latex",), matcher="math-verify")
    assert cheap("$9$", "Answer $ \n 9 \n $", settings=alone) is None
    assert deep("$9$", "Answer $ \n 9 \n $", alone) is not RIGHT
    assert deep("$9$", "Answer $ 9 $", alone) is RIGHT


SHORT = st.text(st.sampled_from("aB1.,°$\\{}()/- cm%米²\x00\ud800\u202e"), max_size=25)


@given(SHORT, SHORT, st.lists(SHORT, max_size=4))
def test_cheap_never_raises_and_a_text_equals_itself(gold, pred, choices):
    assert cheap(gold, pred, choices) in (RIGHT, WRONG, UNPARSABLE, None)
    if key(gold):
        assert cheap(gold, gold) is RIGHT
    assert plain(plain(gold)) is not None


def slow_distance(first, second):
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(st.text("abc(", max_size=80), st.text("abc(", max_size=80))
def test_levenshtein(first, second):
    assert levenshtein(first, second) == slow_distance(first, second)


@pytest.mark.parametrize(
    ("gold", "pred", "different"),
    [
        ("2", "3", True),
        ("x**2 + 1", "x**2 + 2", True),
        ("sqrt(2)/2", "1/sqrt(2)", False),
        ("sin(x)**2 + cos(x)**2", "1", False),
        ("sin(x)**2", "1", True),
        ("sqrt(x**2)", "x", False),  # equal for a positive x
        ("1/3", "0.333333", False),  # as far apart as a rounding
        ("2*x", "2*y", True),
        ("x", "y", False),  # single symbols are compared by name
        ("f(x)", "x", False),
        ("9*UnevaluatedExpr(Rational(1, 100))", "9", False),  # 9 % equals 9 in Math-Verify
        ("Eq(x, 2)", "3", False),
        ("FiniteSet(1, 2)", "3", False),
        ("zoo", "3", False),
        ("I", "1", True),
    ],
)
def test_what_two_values_prove(gold: str, pred: str, different: bool) -> None:
    from sympy import Function, UnevaluatedExpr, sympify

    known = {"f": Function("f"), "UnevaluatedExpr": UnevaluatedExpr}
    assert certainly_different(sympify(gold, locals=known), sympify(pred, locals=known)) is different


def test_renamed_variables_and_coarse_rounding_are_left_to_math_verify() -> None:
    from sympy import Float, Symbol

    loose = MatchSettings(strict=False)
    assert not certainly_different(2 * Symbol("x"), 2 * Symbol("y"), loose)
    assert not certainly_different(Float("1.26"), Float("1.31"), MatchSettings(precision=1))
    assert certainly_different(Float("1.26"), Float("1.71"), MatchSettings(precision=1))
