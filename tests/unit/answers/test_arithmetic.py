import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.arithmetic import NotArithmetic, evaluate


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("4/3", 4 / 3),
        ("2*sqrt(3) - pi", 2 * math.sqrt(3) - math.pi),
        ("2**10", 1024),
        ("-(-3)", 3),
        ("factorial(5)", 120),
        ("1e3", 1000.0),
        ("True", True),
        ("7 % 4 // 1", 3),
        ("(-1 + 3**1008)/3**1009", 1 / 3),
    ],
)
def test_value(source, value):
    assert evaluate(source) == pytest.approx(value)


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os').system('true')",
        "().__class__",
        "open('/etc/passwd')",
        "x + 1",
        "[1, 2]",
        "(1, 2)",
        "lambda: 1",
        "9**9**9**9",
        "2**(10**9)",
        "factorial(10**9)",
        "1/0",
        "sqrt(-1)",
        "'a'*10",
        "1 if True else 2",
        "print(1)",
        "pow(x=1, y=2)",
        "",
        "1" * 20_000,
        "(" * 5000 + "1" + ")" * 5000,
        "\x00",
        "gamma(10**400)",
    ],
)
def test_refused(source):
    with pytest.raises(NotArithmetic):
        evaluate(source)


@given(st.text("0123456789+-*/(). e", max_size=30))
def test_agrees_with_python_where_python_is_safe(source):
    try:
        value = evaluate(source)
    except NotArithmetic:
        return
    # The alphabet holds no name but `e`, and powers were bounded above: Python's own reading is the reference here.
    assert value == eval(source.strip(), {"__builtins__": {}, "e": math.e}) or value != value  # noqa: S307
