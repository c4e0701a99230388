"""Prompts equal the official ones on every row that is at hand."""

import pytest

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.records import Problem
from vr1repro.evaluation.prompts import BOXED_SUFFIX, prompt
from vr1repro.problems.lookup import schema


def problems(path, name):
    for _, row in read_lines(path):
        yield row, schema(name).adapt({**row, "image": None}, 0, None)


def test_all_mathvista_prompts_equal_the_official_query(shared):
    rows = list(problems(shared / "mathvista" / "testmini.jsonl", "mathvista"))
    wrong = [row["pid"] for row, problem in rows if prompt("mathvista", problem, "paper") != row["query"]]
    assert (len(rows), wrong) == (1000, [])


def test_all_mathverse_prompts_equal_the_official_ones(shared):
    rows = list(problems(shared / "mathverse" / "testmini_text_only.jsonl", "mathverse"))
    assert len(rows) == 788
    for style, key in (("direct", "query_wo"), ("cot", "query_cot"), ("paper", "question")):
        assert [row["sample_index"] for row, problem in rows if prompt("mathverse", problem, style) != row[key]] == []


def mathvista(**change):
    metadata = {"question_type": "free_form", "answer_type": "float", "precision": 1.0, "unit": "g", **change}
    return Problem(id="1", source="x", question="Q?", answer="1", metadata=metadata)


def test_mathvista_cot_is_the_official_solution_form():
    assert prompt("mathvista", mathvista(), "cot") == (
        "Question: Q? (Unit: g)\nHint: Please answer the question requiring a floating-point number with one decimal"
        " place and provide the final value, e.g., 1.2, 1.3, 1.4, at the end.\nSolution:"
    )


def test_vision_only_is_the_picture_alone_or_the_bare_instruction():
    problem = Problem(id="1", source="x", question="", answer="A", metadata={"question_type": "multi-choice"})
    assert prompt("mathverse", problem, "paper") == ""
    assert prompt("mathverse", problem, "direct").endswith("e.g., A, B, C, D.")


@pytest.mark.parametrize(
    ("choices", "options"),
    [
        (None, ""),
        (["A", "B", "C", "D", "E"], ""),
        (["1", "2", "3", "4", "5"], "(A) 1\n(B) 2\n(C) 3\n(D) 4\n(E) 5\n"),
    ],
)
def test_mathvision_prints_options_that_say_something(choices, options):
    problem = Problem(id="1", source="x", question="Q <image1>", answer="A", choices=choices)
    assert prompt("mathvision", problem, "cot").endswith(f'in the "\\boxed{{}}".\nQ <image1>\n{options}')
    assert prompt("mathvision", problem, "direct") == (
        f"Q <image1>\n{options}\nAnswer the question using a single word or phrase."
    )
    assert prompt("mathvision", problem, "paper") == f"Q <image1>\n{options}".rstrip("\n")


def test_the_boxed_preset_asks_for_a_box():
    problem = Problem(id="1", source="x", question="Q", answer="1")
    assert prompt("mmmath", problem, "paper", "boxed") == "Q" + BOXED_SUFFIX
    assert prompt("mmmath", problem, "paper", "plain") == "Q"


@pytest.mark.parametrize(
    ("benchmark", "problem", "style", "message"),
    [
        ("mmmath", mathvista(), "cot", "evaluation.prompts.mmmath"),
        ("nosuch", mathvista(), "paper", "is not known; take one of"),
        ("mathvista", mathvista(answer_type="complex"), "paper", "has no hint"),
        (
            "mathvista",
            Problem(id="9", source="x", question="Q", answer="1"),
            "paper",
            "metadata lacks 'question_type'",
        ),
    ],
)
def test_impossible_prompts_are_refused(benchmark, problem, style, message):
    with pytest.raises(UserError, match=message):
        prompt(benchmark, problem, style)
