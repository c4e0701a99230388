import pytest

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks.mmmath import BENCHMARK
from vr1repro.benchmarks.mmmath.judge import OFFICIAL, Rules, Unbalanced, boxes, judge
from vr1repro.benchmarks.mmmath.official import gold_text
from vr1repro.benchmarks.mmmath.profiles import PROFILES
from vr1repro.benchmarks.scoring import Options

STRICT = Rules(precision=1e-6, percent=False, all_boxes=False)


def boxed(*answers):
    return " so ".join(f"\\boxed{{{answer}}}" for answer in answers)


# (gold, prediction, official, strict): the quirks of the official script, found by running it, and what strict says.
QUIRKS = [
    ("5", "5", True, True),
    ("1", "0", True, False),
    ("1", "0.02", True, False),
    ("1", "100", True, False),
    ("2", "0.01", True, False),
    ("3", "0.04", True, False),
    ("5", "500", True, False),
    ("0.5", "0.01", True, False),
    ("0.5", "50", True, False),
    ("30^{\\circ}", "30°", False, False),
    ("3", "3m", False, True),
    ("4,6", "4 \\text{ or } 6", False, False),
    ("\\frac{1}{2}", "50", False, False),
    ("\\frac{1}{2}", "0.5", True, True),
    ("x=2", "2", True, True),
    ("y=2x+1", "2x-y+1=0", True, True),
    ("\\pm 2", "2,-2", True, True),
    ("1<x<3", "(1,3)", True, True),
    ("2\\sqrt{3}", "3.464", True, False),
    ("12\\text{cm}", "12", True, True),
    ("\\sin30", "0.5", True, True),
    ("4,6", "6,4", True, True),
    ("4,6", "4", False, False),
    ("7", "8", False, False),
]


@pytest.mark.parametrize(("gold", "prediction", "official", "strict"), QUIRKS)
def test_quirks(gold, prediction, official, strict):
    assert judge(boxed(gold), boxed(prediction), OFFICIAL) is official
    assert judge(boxed(gold), boxed(prediction), STRICT) is strict


def test_repeated_boxes_are_joined_officially():
    assert judge(boxed("5"), boxed("5", "5"), OFFICIAL) is False
    assert judge(boxed("5"), boxed("5", "5"), STRICT) is True


def test_boxes():
    assert boxes("a \\boxed{\\frac{1}{2}} b} \\boxed{x\\boxed{y}}") == ["\\frac{1}{2}", "x\\boxed{y}", "y"]
    with pytest.raises(Unbalanced):
        boxes("\\boxed{\\frac{1}{2}")


@pytest.mark.parametrize(
    ("profile", "response", "verdict"),
    [
        ("official", "so \\boxed{500}", "right"),
        ("strict", "so \\boxed{500}", "wrong"),
        ("official", "so 5", "unparsable"),
        ("official", "so \\boxed{5", "unparsable"),
        ("rule", "<think>a</think><answer> Final Answer:5cm </answer>", "right"),
        ("rule", "\\boxed{6}", "wrong"),
    ],
)
def test_profiles(profile, response, verdict):
    question = {"id": "3", "solution": "thus $\\boxed{5}$ cm", "difficult": "困难", "year": "九年级上学期"}
    with Grader(timeout_s=20) as grader:
        got = next(grader.stream([PROFILES[profile](question, {"response": response}, Options())]))
    assert got.verdict.value == verdict


def test_groups_and_gold():
    question = {"difficult": "容易", "year": "七年级下学期", "knowledge": ["Functions", "Properties of Shapes"]}
    assert list(BENCHMARK.groups(question)) == [
        ("difficulty", "easy"),
        ("grade", "grade 7"),
        ("knowledge", "Properties of Shapes"),
        ("knowledge", "Functions"),
    ]
    assert gold_text({"answer": "5"}) == "\\boxed{5}"
