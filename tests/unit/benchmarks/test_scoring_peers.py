"""The profiles `vlmevalkit` and `lmms-eval`: their known departures from the official scorers, and real rows."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.scoring import Options, inferred_option

CHOICES = {"pid": "1", "question_type": "multi_choice", "answer_type": "text", "choices": ["6cm", "7cm"],
           "answer": "7cm"}  # fmt: skip
INTEGER = {"pid": "2", "question_type": "free_form", "answer_type": "integer", "choices": None, "answer": "7"}
ZERO = {**INTEGER, "answer": "0"}
FLOAT = {"pid": "3", "question_type": "free_form", "answer_type": "float", "precision": 1, "answer": "1.2"}
LIST = {"pid": "4", "question_type": "free_form", "answer_type": "list", "answer": "[1, 2]"}
LETTERED = {"id": "1", "options": ["4", "5"], "answer": "B"}
VALUE = {"id": "2", "options": [], "answer": "\\frac{1}{2}"}
MATH = {"id": "3", "answer": "3", "solution": "\\boxed{3}"}
VERSE = {"sample_index": "1", "question_type": "free-form", "answer": "12"}


def grade(slug, profile, question, row):
    with Grader(timeout_s=10) as grader:
        return next(grader.stream([lookup.profile(slug, profile)(question, row, Options())])).verdict.value


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("The answer is (B)", "B"),
        ("B is what I take, after some long thought about it", None),
        ("So the correct answer is **A** and not one of the others, I should say", "A"),
        ("A or B", None),
        ("7CM", "B"),
        ("7cm" + " " * 40, None),
        ("Cannot determine the answer from this", "Z"),
        ("Failed to obtain answer via API. B", None),
        ("", None),
    ],
)
def test_inferred_option(answer, option):
    assert inferred_option(answer, CHOICES["choices"]) == option


@given(st.text(max_size=200), st.lists(st.text(max_size=9), min_size=1, max_size=8))
def test_inferred_option_never_raises(answer, choices):
    assert inferred_option(answer, choices) in (None, "Z", *"ABCDEFGH")


@pytest.mark.parametrize(
    ("slug", "question", "row", "official", "vlmevalkit", "lmms"),
    [
        # The nearest choice by edit distance is the official one's alone (and its copy's).
        ("mathvista", CHOICES, {"response": "x", "extraction": "7 cm"}, "right", "unparsable", "right"),
        ("mathvista", CHOICES, {"response": "x", "extraction": "B"}, "right", "right", "right"),
        # A letter in the response's last words is taken before any extraction.
        ("mathvista", CHOICES, {"response": "I take B", "extraction": "A"}, "wrong", "right", "wrong"),
        ("mathvista", INTEGER, {"response": "x", "extraction": "7.0"}, "right", "unparsable", "right"),
        ("mathvista", INTEGER, {"response": "x", "extraction": "7.9"}, "right", "unparsable", "right"),
        ("mathvista", INTEGER, {"response": " 7"}, "right", "right", "right"),
        # A zero is no success to its `if`: it asks the LLM.
        ("mathvista", ZERO, {"response": "0"}, "right", "judge_error", "right"),
        ("mathvista", FLOAT, {"response": "x", "extraction": "1.24"}, "right", "wrong", "unparsable"),
        ("mathvista", FLOAT, {"response": "x", "extraction": "1.2"}, "right", "right", "unparsable"),
        ("mathvista", LIST, {"response": "x", "extraction": "[1, 2]"}, "right", "wrong", "right"),
        ("mathvista", INTEGER, {"response": "It is 7."}, "judge_error", "judge_error", "judge_error"),
        ("mathverse", VERSE, {"response": "x", "extraction": "12"}, "judge_error", "right", "judge_error"),
        ("mathverse", VERSE, {"response": "x", "extraction": "11", "judgement": "0"}, "wrong", "wrong", "wrong"),
        ("mathverse", VERSE, {"response": "x", "judgement": "1", "judged_as": "lmms-eval"},
         "judge_error", "judge_error", "right"),
        ("mathvision", LETTERED, {"response": "\\boxed{B}"}, "right", "right", "right"),
        ("mathvision", LETTERED, {"response": "\\boxed{5}"}, "right", "right", "right"),
        ("mathvision", VALUE, {"response": "\\boxed{0.5}"}, "right", "right", "right"),
        ("mathvision", VALUE, {"response": "it is 1/2 or so", "extraction": "1/2"}, "wrong", "right", "wrong"),
        ("mathvision", {**VALUE, "answer": "0.5"}, {"response": "\\boxed{1/2}"}, "right", "right", "right"),
        ("mathvision", {**VALUE, "answer": "0.5"}, {"response": "\\boxed{0.502}", "extraction": "0.502"},
         "right", "wrong", "right"),
        ("mmmath", MATH, {"response": "3"}, "unparsable", "right", None),
        ("mmmath", MATH, {"response": "\\boxed{3}"}, "right", "right", None),
        ("mmmath", MATH, {"response": "\\boxed{3} and \\boxed{3}"}, "wrong", "wrong", None),
    ],
)  # fmt: skip
def test_quirks(slug, question, row, official, vlmevalkit, lmms):
    assert grade(slug, "official", question, row) == official
    assert grade(slug, "vlmevalkit", question, row) == vlmevalkit
    if lmms is not None:
        assert grade(slug, "lmms-eval", question, row) == lmms


def test_real_rows_differ_from_official_as_far_as_was_measured(shared):
    """93.5 % agreement over 21 models and a shift of -1.0 to +11.8 points were measured with VLMEvalKit's own code."""
    folder = shared / "mathvista"
    asked = {row["pid"]: row for row in map(json.loads, (folder / "testmini.jsonl").read_text().splitlines())}
    alike = total = 0
    shifts = []
    with Grader(timeout_s=10) as grader:
        for file in sorted((folder / "outputs").glob("*.jsonl")):
            if "guess" in file.stem:
                continue
            rows = [json.loads(line) for line in file.read_text().splitlines()]
            scorer = lookup.profile("mathvista", "vlmevalkit")
            got = [v.correct is True for v in grader.stream(scorer(asked[row["pid"]], row, Options()) for row in rows)]
            official = [row["current_true_false"] for row in rows]
            alike += sum(one == other for one, other in zip(got, official, strict=True))
            total += len(rows)
            shifts.append((sum(official) - sum(got)) / 10)
    assert alike / total == pytest.approx(0.935, abs=0.005)
    assert min(shifts) == pytest.approx(-1.0)
    assert max(shifts) <= 11.8


def test_a_hostile_response_is_not_run(tmp_path):
    mark = tmp_path / "mark"
    row = {"response": f"\\boxed{{__import__('pathlib').Path('{mark}').touch()}}", "extraction": "9**9**9**9"}
    assert grade("mathvision", "vlmevalkit", VALUE, row) in ("wrong", "timeout")
    assert not mark.exists()
