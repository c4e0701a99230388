"""Rows of each data set in use become problems, and bad rows say why they are none."""

import shutil
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from vr1repro.config.problems import ProblemSource
from vr1repro.core import adapter_names
from vr1repro.core.code_hash import closure
from vr1repro.core.rows import BadRow, boxed
from vr1repro.problems import adapters, lookup
from vr1repro.problems.conversations import final_answer
from vr1repro.problems.lookup import schema, schema_of

ROWS = {
    "mathvista": (
        {
            "pid": "6", "question": "How long?", "image": None, "choices": ["6cm", "7cm"], "unit": None,
            "precision": 1.0, "answer": "6cm", "question_type": "multi_choice", "answer_type": "text",
            "metadata": {"task": "geometry problem solving", "skills": ["geometry reasoning"]},
        },
        ("6", "How long?", "6cm", ["6cm", "7cm"]),
    ),
    "mathverse": (
        {
            "sample_index": "5", "problem_index": "1", "problem_version": "Vision Only", "question": "", "image": None,
            "answer": "D", "question_type": "multi-choice", "metadata": {"subject": "Plane Geometry"},
        },
        ("5", "", "D", None),
    ),
    "mmmath": (
        {
            "question": "Find x.", "file_name": "1.png", "solution": r"so \boxed{4} or \boxed{\frac{1}{2}}",
            "year": "八年级", "difficult": "普通", "knowledge": "Functions",
        },
        ("0", "Find x.", r"4,\frac{1}{2}", None),
    ),
    "mathvision": (
        {
            "id": "2", "question": "Which? <image1>", "options": ["A", "B", "C", "D", "E"], "answer": "A",
            "solution": None, "level": 2, "subject": "arithmetic", "image": "images/2.jpg", "decoded_image": None,
        },
        ("2", "Which? <image1>", "A", ["A", "B", "C", "D", "E"]),
    ),
    "dynamath": (
        {
            "id": "1-3", "seed": "1", "variant": 3, "question": "How long?", "image": None, "decoded_image": None,
            "ground_truth": "1.5", "answer_type": "float", "subject": "algebra", "knowledge_level": "high school",
        },
        ("1-3", "How long?", "1.5", None),
    ),
    "mmstar": (
        {
            "index": 7, "question": "What?\nOptions: A: x, B: y", "image": None, "answer": "B",
            "category": "math", "l2_category": "geometry", "meta_info": {"source": "MathVista", "split": "testmini"},
        },
        ("7", "What?\nOptions: A: x, B: y", "B", None),
    ),
    "mme": (
        {
            "question_id": "OCR/0001.jpg", "question": "Is it? Please answer yes or no.", "image": None,
            "answer": "Yes", "category": "OCR", "id": "OCR/0001.jpg#1",
        },
        ("OCR/0001.jpg#1", "Is it? Please answer yes or no.", "Yes", None),
    ),
    "hallusionbench": (
        {
            "category": "VS", "subcategory": "chart", "visual_input": "0", "set_id": "0", "figure_id": "0",
            "sample_note": "import", "question_id": "1", "question": "Is it?", "gt_answer_details": "It is not.",
            "gt_answer": "0", "filename": None,
        },
        ("VS_chart_0_0_1", "Is it?", "No", None),
    ),
    "chartqa": (
        {"image": None, "query": "How many?", "label": ["14"], "human_or_machine": 0},
        ("0", "How many?", "14", None),
    ),
    "rl": ({"images": [], "problem": "<image>Find y.", "answer": "3"}, ("0", "Find y.", "3", None)),
    "llava-cot": (
        {
            "id": "a", "image": "x.png",
            "conversations": [
                {"from": "human", "value": "<image>\nHow many?"},
                {"from": "gpt", "value": "<REASONING> r </REASONING>\n<CONCLUSION> 12 </CONCLUSION>"},
            ],
        },
        ("a", "How many?", "12", None),
    ),
    "mulberry": (
        {
            "images": ["x.png"],
            "conversations": [
                {"role": "user", "content": "<image>Which?"},
                {"role": "assistant", "content": "### Step 1\nlook\n### The final answer is: B"},
            ],
        },
        ("0", "Which?", "B", None),
    ),
    "problems": (
        {
            "id": "p", "source": "micro", "question": "q", "answer": "1", "choices": None, "image": None,
            "metadata": "{}",
        },
        ("p", "q", "1", None),
    ),
}  # fmt: skip


class NoPictures:
    def read(self, path: str) -> bytes:
        return path.encode()


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_known_by_their_columns_and_become_problems(name):
    row, expected = ROWS[name]
    assert schema_of(frozenset(row)) == name
    problem = schema(name).adapt(row, 0, NoPictures())
    assert (problem.id, problem.question, problem.answer, problem.choices) == expected


def test_every_schema_has_a_row_here():
    assert set(ROWS) == set(lookup.names())


TOY = """
from vr1repro.core.records import Problem
from vr1repro.problems.schema import Schema

def adapt(row, number, images):
    return Problem(id=str(number), source="toy", question=row["riddle"], answer=row["solution"])

SCHEMA = Schema(columns=(frozenset({"riddle", "solution"}),), adapt=adapt)
"""


def test_an_adapter_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "adapters"
    shutil.copytree(Path(adapters.__file__).parent, folder)
    (folder / "toy_rows.py").write_text(TOY)
    monkeypatch.setattr(adapter_names, "_FOLDER", folder)
    monkeypatch.setattr(adapters, "__path__", [str(folder)])
    assert ProblemSource(kind="path", path="x", adapter="toy-rows").adapter == "toy-rows"
    assert schema_of(frozenset({"riddle", "solution", "more"})) == "toy-rows"
    assert schema("toy-rows").adapt({"riddle": "Who?", "solution": "He."}, 3, None).id == "3"
    assert "vr1repro.problems.adapters.toy_rows" in lookup.adapter_modules("auto")
    monkeypatch.delitem(sys.modules, "vr1repro.problems.adapters.toy_rows")


def test_an_unknown_adapter_is_refused_with_the_known() -> None:
    with pytest.raises(ValidationError, match="'easyr1' is not known; take one of auto, llava-cot, mulberry, problems"):
        ProblemSource(kind="path", path="x", adapter="easyr1")


def test_a_sets_code_hash_covers_its_own_adapter_and_auto_all() -> None:
    def covered(adapter: str) -> set[str]:
        modules = closure(["vr1repro.jobs.problems", *lookup.adapter_modules(adapter)])
        return {name for name in modules if name.startswith("vr1repro.problems.adapters.")}

    assert covered("rl") == {"vr1repro.problems.adapters.rl"}
    assert covered("mathvista") == set()
    assert len(covered("auto")) == len(adapter_names.adapter_names())
    assert "vr1repro.problems.adapters" in closure(lookup.adapter_modules("rl"))


def test_rows_of_two_kinds_go_to_the_more_telling() -> None:
    assert schema_of(frozenset({"images", "problem", "answer", "messages"})) == "mulberry"
    assert schema_of(frozenset({"images", "problem", "answer", "conversations"})) == "rl"


def test_metadata_keeps_what_sub_scores_need():
    row, _ = ROWS["mathvista"]
    metadata = schema("mathvista").adapt(row, 0, None).metadata
    assert metadata["task"] == "geometry problem solving"
    assert metadata["answer_type"] == "text"
    assert schema("mathverse").adapt(ROWS["mathverse"][0], 0, None).metadata["problem_version"] == "Vision Only"


def test_unknown_columns_fit_no_schema():
    assert schema_of(frozenset({"prompt", "completion"})) is None


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("mathvista", {"answer": ""}, "no_answer"),
        ("mathvista", {"pid": None}, "no_id"),
        ("mathverse", {"answer": None}, "no_answer"),
        ("mmmath", {"solution": "no box at all"}, "no_answer"),
        ("mmmath", {"question": ""}, "no_question"),
        ("rl", {"problem": ""}, "no_problem"),
        ("llava-cot", {"conversations": []}, "no_conversation"),
        (
            "llava-cot",
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "hm"}]},
            "no_answer",
        ),
        ("mulberry", {"conversations": None}, "no_conversation"),
    ],
)
def test_bad_rows_say_why(name, change, reason):
    with pytest.raises(BadRow) as caught:
        schema(name).adapt({**ROWS[name][0], **change}, 0, NoPictures())
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{5}", ["5"]),
        (r"\boxed{\frac{1}{2}} and \boxed{3}", [r"\frac{1}{2}", "3"]),
        (r"\boxed{5", []),
        (r"\boxed{1} \boxed{2", ["1"]),
        ("", []),
    ],
)
def test_boxes_are_matched_by_braces(text, expected):
    assert boxed(text) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("<CONCLUSION> 7 </CONCLUSION>", "7"),
        ("<think>a</think><answer> Final Answer:7 </answer>", "7"),
        (r"thus \boxed{1} no, \boxed{7}", "7"),
        ("The final answer is: 7.", "7"),
    ],
)
def test_final_answers_of_training_sets(reply, expected):
    assert final_answer(reply) == expected
