import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.agreement import measure as agreement
from vr1repro.benchmarks.mathvista.rule import TUNED_ON, named_choice, number_text
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.core.provenance import file_sha

QUESTION = {"pid": "1", "question": "Is it red?", "choices": None, "question_type": "free_form",
            "answer_type": "integer", "answer": "7", "metadata": {}}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "mathvista" / "outputs").mkdir(parents=True)
    (folder / "grader_cases").mkdir()
    choice = {**QUESTION, "pid": "2", "question_type": "multi_choice", "answer_type": "text", "choices": ["6cm", "7cm"],
              "answer": "7cm"}  # fmt: skip
    write_rows(folder / "mathvista" / "testmini.jsonl", [QUESTION, choice])
    write_rows(
        folder / "mathvista" / "outputs" / "new.jsonl",
        [
            {"pid": "1", "response": "7", "extraction": "8", "current_true_false": False, "shipped_true_false": False},
            {"pid": "2", "response": "no idea", "extraction": "8cm", "current_true_false": False,
             "shipped_true_false": False},
        ],
    )  # fmt: skip
    cases = [
        {"suite": "s", "source": "x/y@0", "fn": "test_a", "gold": "12", "pred": "12.0", "expected": 1},
        {"suite": "s", "source": "x/y@0", "fn": "test_b", "gold": "12", "pred": "13", "expected": 1},
    ]
    (folder / "grader_cases" / "other_grader_cases.json").write_text(json.dumps(cases))
    return folder


def test_the_table_counts_and_names_its_input(data: Path, tmp_path: Path) -> None:
    rows, disagreements = agreement.measure(data)
    agreement.write(rows, disagreements, tmp_path / "out")
    written = list(csv.DictReader((tmp_path / "out" / "agreement.csv").open()))
    rule = next(row for row in written if row["check"] == "mathvista rule")
    assert rule["sha256"] == file_sha(data / "mathvista" / "outputs" / "new.jsonl")
    assert (rule["kind"], rule["n"], rule["n_agree"], rule["n_foreign"]) == ("apart", "2", "1", "1")
    assert (rule["n_guessed"], rule["n_guessed_right"], float(rule["ceiling"])) == ("1", "0", 100.0)
    assert [(row.test, row.ours, row.explanation) for row in disagreements] == [
        ("test_b", "wrong", "not explained yet (test_b)")
    ]
    assert "1/2" in agreement.table(rows)


def test_no_data_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no published verdicts"):
        agreement.measure(tmp_path)


def test_the_committed_table_is_of_the_data_here(repo: Path, shared: Path) -> None:
    rows = list(csv.DictReader((repo / "results" / "reference" / "verify" / "agreement.csv").open()))
    assert len(rows) == 13 * 3 + 8 + 1 + 1 + 7
    for row in rows:
        assert row["sha256"] == file_sha(shared / row["file"]), row["file"]
        if not row["check"].endswith("rule") and not row["check"].startswith("cases of"):
            assert row["n_agree"] == row["n"], row
    rule = [row for row in rows if row["check"] == "mathvista rule"]
    assert {Path(row["file"]).stem for row in rule if row["kind"] == "tuned"} == set(TUNED_ON)
    assert [row["kind"] for row in rule].count("apart") == 5


def test_every_committed_disagreement_is_explained(repo: Path) -> None:
    rows = list(csv.DictReader((repo / "results" / "reference" / "verify" / "grader_cases.csv").open()))
    assert rows
    assert [row["case"] for row in rows if row["explanation"].startswith("not explained")] == []


@pytest.mark.parametrize(
    ("asked", "response", "choices", "index"),
    [
        ("Is Violet less than Red?", "Violet is less than Red.", ["yes", "no"], 0),
        ("Is Violet less than Red?", "Based on it, Violet is not less than Red.", ["yes", "no"], 1),
        ("Is Violet less than Red?", "The sky is blue.", ["yes", "no"], None),
        ("Is Violet less than Red?", "The image does not provide enough to compare Violet, Red.", ["Yes", "No"], None),
        ("", "A\nHuman: go on", ["5", "6"], 0),
        ("", "so much for that.\n\nD", ["a1", "b1", "c1", "d1"], 3),
        ("", "The correct option letter for the perimeter is B.", ["5", "6"], 1),
        ("", "The ladder is 4.40 meters long in the end.", ["3.85 m", "4.40 m"], 1),
        ("", "Then the plants will increase.", ["plants decrease", "plants increase"], 1),
        ("", "It is quarter past.", ["quarter", "quarter past"], 1),
        ("", "Either 5 apples or 6 apples.", ["5", "6"], None),
    ],
)
def test_named_choice(asked: str, response: str, choices: list[str], index: int | None) -> None:
    assert named_choice(asked, response, None, choices)[0] == index


def test_numbers_as_words() -> None:
    assert number_text("There are three objects left.", None) == "3"
    assert number_text("Nothing is left.", None) is None


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_named_choice_never_raises(asked: str, response: str, choices: list[str]) -> None:
    index, how = named_choice(asked, response, None, choices)
    assert (index is None) == (how is None)
