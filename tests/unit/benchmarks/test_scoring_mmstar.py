"""MMStar: the official verdicts, options and prompts in both known forms, and what is cut out of a reply."""

import json
from pathlib import Path

import pytest

from vr1repro.benchmarks.mmstar import BENCHMARK
from vr1repro.benchmarks.mmstar.options import split_options
from vr1repro.benchmarks.mmstar.profiles import PROFILES
from vr1repro.benchmarks.scoring import Options, stated_answer
from vr1repro.core.jsonl import read, read_lines, write_rows
from vr1repro.core.records import Problem, Verdict
from vr1repro.evaluation.grading import grade_file
from vr1repro.evaluation.prompts import prompt

NAMED = "What is it?\nOptions: A: a cat, B: a dog, or two, C: a cow, D: no animal"
BRACKETED = "Hint: the letter, at the end.\nQuestion: How many?\nChoices:\n(A) 0\n(B) 1\n(C) 2\n(D) 4"
QUESTION = {"index": 3, "question": NAMED, "answer": "B", "category": "math", "l2_category": "geometry"}


def verdict(profile: str, response: str, **row: str) -> Verdict:
    graded = PROFILES[profile](QUESTION, {"response": response, **row}, Options())
    assert isinstance(graded, Verdict)
    return graded


@pytest.mark.parametrize(
    ("response", "official", "vlmevalkit", "rule"),
    [
        ("B", "right", "right", "right"),
        # To VLMEvalKit a small letter is none, and the options' texts are not quoted in full.
        ("b) a dog", "right", "judge_error", "right"),
        ("(B)", "right", "right", "right"),
        ("Option B", "right", "right", "right"),
        ("The answer is B.", "right", "right", "right"),
        ("A", "wrong", "wrong", "wrong"),
        ("a dog", "wrong", "judge_error", "unparsable"),
        ("because", "right", "judge_error", "unparsable"),
        ("Clearly it must be B", "wrong", "right", "unparsable"),
        ("", "unparsable", "unparsable", "unparsable"),
        ("<think> A, or C? </think><answer> Final Answer:B </answer>", "right", "right", "right"),
        (r"Not A. So \boxed{\text{B}}", "right", "right", "right"),
        ("<think> It is B", "unparsable", "unparsable", "unparsable"),
    ],
)
def test_rules(response: str, official: str, vlmevalkit: str, rule: str) -> None:
    names = ("official", "vlmevalkit", "rule")
    assert [verdict(name, response).verdict.value for name in names] == [official, vlmevalkit, rule]


@pytest.mark.parametrize(("extraction", "outcome"), [("B", "right"), ("Z", "wrong"), ("none of them", "unparsable")])
def test_an_llms_extraction_decides_where_no_option_can_be_inferred(extraction: str, outcome: str) -> None:
    assert verdict("vlmevalkit", "a pet", extraction=extraction).verdict.value == outcome


@pytest.mark.parametrize(
    ("reply", "stated"),
    [
        ("  Yes, it is.\n", "  Yes, it is.\n"),
        ("No.<br>", "No.<br>"),
        ("<think>no</think> Yes ", "Yes"),
        ("no, wait</think>\n\nYes", "Yes"),
        ("<think>no</think>", ""),
        ("<think>no", ""),
        ("<think>no</think><answer> Final Answer:Yes </answer>", "Yes"),
        (r"<think>\boxed{1}</think><answer>\boxed{2}</answer>", "2"),
        (r"It is \boxed{\textbf{Yes}}, not no.", "Yes"),
    ],
)
def test_only_what_tags_or_a_box_mark_is_cut_out(reply: str, stated: str) -> None:
    assert stated_answer(reply) == stated


def test_options_are_taken_out_of_both_forms() -> None:
    assert split_options(NAMED) == ("What is it?", ["a cat", "a dog, or two", "a cow", "no animal"])
    numbers = ["0", "1", "2", "4"]
    assert split_options(BRACKETED) == ("Hint: the letter, at the end.\nQuestion: How many?", numbers)
    assert split_options(BRACKETED.replace("Choices:\n", ""))[1] == numbers
    assert split_options("How many options (A) are there?") == ("How many options (A) are there?", [])


def test_both_known_prompts() -> None:
    problem = Problem(id="3", source="mmstar", question=NAMED, answer="B")
    assert prompt("mmstar", problem, "direct", "plain") == NAMED
    assert prompt("mmstar", problem, "paper", "plain") == (
        "Question: What is it?\nOptions:\nA. a cat\nB. a dog, or two\nC. a cow\nD. no animal\n"
        "Please select the correct answer from the options above. \n"
    )


@pytest.fixture
def real(shared: Path) -> Path:
    """MMStar's questions with a model's real replies and the official verdicts."""
    return shared / "mmstar" / "llava_next_yi_34b.jsonl"


def test_official_verdicts_are_the_repositorys(real: Path, tmp_path: Path) -> None:
    rows = [row for _, row in read_lines(real)]
    write_rows(tmp_path / "responses.jsonl", [{"id": row["index"], "response": row["prediction"]} for row in rows])
    scores = grade_file("mmstar", "official", tmp_path / "responses.jsonl", real, tmp_path / "verdicts.jsonl")
    ours = {verdict.id: verdict.correct for verdict in read(tmp_path / "verdicts.jsonl", Verdict)}
    assert ours == {str(row["index"]): row["official_correct"] for row in rows}
    assert scores[0].n_right == sum(row["official_correct"] for row in rows)
    assert {score.name for score in scores if score.group == "category"} == {row["category"] for row in rows}


def test_every_real_question_can_be_split(real: Path) -> None:
    assert [row["index"] for _, row in read_lines(real) if len(split_options(row["question"])[1]) < 2] == []


def test_its_facts_fit_its_rows() -> None:
    assert BENCHMARK.columns <= QUESTION.keys()
    assert json.loads(verdict("official", "B").model_dump_json())["id"] == "3"
