import hashlib
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vr1repro.answers.grade import Grader, Work
from vr1repro.benchmarks.dynamath import BENCHMARK
from vr1repro.benchmarks.dynamath.official import short_answer
from vr1repro.benchmarks.dynamath.profiles import PROFILES
from vr1repro.benchmarks.questions import read_questions
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Outcome, Problem
from vr1repro.evaluation.grading import grade_file
from vr1repro.evaluation.prompts import prompt
from vr1repro.problems.fetch import linked_source
from vr1repro.problems.load import load_problems

FLOAT = {"id": "1-1", "seed": "1", "answer": "3.142", "answer_type": "float"}
CHOICE = {"id": "1-1", "seed": "1", "answer": "B", "answer_type": "multiple choice"}
TEXT = {"id": "1-1", "seed": "1", "answer": "Odd", "answer_type": "text"}


def answer(value):
    return json.dumps({"solution": "so", "short answer": value}, ensure_ascii=False)


def grade(profile, question, row):
    with Grader(timeout_s=10) as grader:
        return next(grader.stream([PROFILES[profile](question, row, Options())])).verdict.value


@pytest.mark.parametrize(
    ("question", "response", "official", "vlmevalkit", "rule"),
    [
        (FLOAT, answer("3.142"), "right", "right", "right"),
        (FLOAT, answer("3.143"), "right", "right", "right"),
        (FLOAT, answer("3.15"), "wrong", "wrong", "wrong"),
        (FLOAT, answer("1\u03c0"), "right", "right", "right"),
        (FLOAT, answer("3.142 cm"), "right", "right", "right"),
        # A number in the JSON: officially its text, to VLMEvalKit no text, so that its LLM is asked.
        (FLOAT, answer(3.142), "right", "judge_error", "right"),
        (FLOAT, "It is 3.142", "unparsable", "judge_error", "right"),
        # Without JSON the last line counts, its last character cut off.
        (FLOAT, "So:\n3.142.", "right", "judge_error", "right"),
        (CHOICE, answer("B"), "right", "right", "right"),
        (CHOICE, answer("b"), "wrong", "right", "right"),
        (CHOICE, answer("B: 60"), "right", "right", "right"),
        (CHOICE, answer("It is B"), "wrong", "right", "unparsable"),
        (CHOICE, answer("(A)"), "wrong", "wrong", "wrong"),
        (TEXT, answer("Odd"), "right", "right", "right"),
        (TEXT, answer("odd"), "wrong", "right", "right"),
        (TEXT, answer("It is Odd."), "right", "wrong", None),
        (TEXT, answer(""), "wrong", "right", "unparsable"),
        (TEXT, "", "wrong", "right", "unparsable"),
    ],
)
def test_quirks(question, response, official, vlmevalkit, rule):
    row = {"response": response}
    assert grade("official", question, row) == official
    assert grade("vlmevalkit", question, row) == vlmevalkit
    if rule is not None:
        assert grade("rule", question, row) == rule


@pytest.mark.parametrize(("extraction", "verdict"), [("3.142", "right"), ("2", "wrong"), ("none", "unparsable")])
def test_an_llms_extraction_decides_where_the_reply_does_not(extraction, verdict):
    row = {"response": "It is pi", "extraction": extraction}
    assert grade("vlmevalkit", FLOAT, row) == verdict


@pytest.mark.parametrize(
    ("kind", "sha"),
    [
        ("multiple choice", "3147e24d34638572b9470f958281f1a60853c7918ea78e576b50371f19f55252"),
        ("float", "ea8281ec5321ad26bdb8ccd09161d65fff7b0ba981fcc8cb78e0559862631556"),
        ("text", "a10f29ae7a2781a540e894b8059ef9eb51458fe118dd4456984afd4e496532b8"),
    ],
)
def test_the_papers_prompt_is_that_of_its_evaluator(kind, sha):
    """Hashes of what Osilly/Vision-R1@c061681, vlmeval/dataset/dynamath.py, Dynamath.build_prompt makes of this row."""
    problem = Problem(
        id="1-1", source="dynamath", question="What is $x$?\n{A}", answer="1", metadata={"answer_type": kind}
    )
    assert hashlib.sha256(prompt("dynamath", problem, "paper").encode()).hexdigest() == sha


@given(st.text(max_size=300))
@pytest.mark.parametrize("question", [FLOAT, CHOICE, TEXT])
def test_no_response_raises(question, response):
    for profile in ("official", "vlmevalkit", "rule"):
        graded = PROFILES[profile](question, {"response": response}, Options())
        assert isinstance(graded, Work) or graded.verdict in set(Outcome)


def test_deep_json_is_no_crash():
    assert isinstance(short_answer('{"a":' * 100_000 + "}" * 100_000), str)


@pytest.fixture
def hub_copy(tmp_path: Path) -> Path:
    """A folder as the hub's data set lies on disk: a file a variant, ids that repeat, splits in the card."""
    folder = tmp_path / "questions"
    (folder / "data").mkdir(parents=True)
    picture = io.BytesIO()
    Image.new("RGB", (30, 30), "red").save(picture, "PNG")
    card = ["---", "configs:", "- config_name: default", "  data_files:"]
    for variant in range(1, 11):
        rows = [
            {"id": str(seed), "question": f"q{seed} v{variant}", "image": "x.png",
             "decoded_image": {"bytes": picture.getvalue(), "path": None}, "ground_truth": str(10 * seed + variant),
             "answer_type": "float", "subject": "algebra", "knowledge_level": "high school"}
            for seed in (1, 2)
        ]  # fmt: skip
        pq.write_table(pa.Table.from_pylist(rows), folder / "data" / f"sample{variant}-00000-of-00001.parquet")
        card += [f"  - split: sample_variant{variant}", f"    path: data/sample{variant}-*"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    return folder


def test_variants_are_numbered_alike_by_loader_and_grader(hub_copy: Path) -> None:
    problems = list(load_problems(linked_source(BENCHMARK.source, hub_copy, "dynamath")))
    questions = read_questions(BENCHMARK, hub_copy)
    assert len(problems) == len(questions) == 20
    assert {p.id: p.answer for p in problems} == {key: row["ground_truth"] for key, row in questions.items()}
    assert questions["2-10"]["ground_truth"] == "30"
    assert problems[0].metadata["seed"] == "1"


def test_average_and_worst_case(hub_copy: Path, tmp_path: Path) -> None:
    questions = read_questions(BENCHMARK, hub_copy)
    replies = {key: answer(row["ground_truth"]) for key, row in questions.items()}
    replies["2-3"] = answer("0")
    write_rows(tmp_path / "r.jsonl", [{"id": key, "response": reply} for key, reply in replies.items()])
    for profile in PROFILES:
        scores = grade_file("dynamath", profile, tmp_path / "r.jsonl", hub_copy, tmp_path / "v.jsonl")
        assert (scores[0].n_right, scores[0].n) == (19, 20)
        assert (scores[1].group, scores[1].n_right, scores[1].n, scores[1].note) == (
            "worst case", 1, 2, "rows a cluster: 10",
        )  # fmt: skip
    # Two samples of one question are two worst cases, not one.
    rows = [{"id": key, "response": reply, "eval_seed": seed} for seed in (1, 2) for key, reply in replies.items()]
    write_rows(tmp_path / "r.jsonl", rows)
    scores = grade_file("dynamath", "rule", tmp_path / "r.jsonl", hub_copy, tmp_path / "v.jsonl")
    assert (scores[1].n_right, scores[1].n) == (2, 4)


def test_an_undecided_variant_bounds_the_worst_case(hub_copy: Path, tmp_path: Path) -> None:
    questions = read_questions(BENCHMARK, hub_copy)
    rows = [{"id": key, "response": answer(row["ground_truth"])} for key, row in questions.items()]
    rows[0]["response"] = "I do not know"
    write_rows(tmp_path / "r.jsonl", rows)
    worst = grade_file("dynamath", "vlmevalkit", tmp_path / "r.jsonl", hub_copy, tmp_path / "v.jsonl")[1]
    assert (worst.low, worst.value, worst.high) == (50.0, 100.0, 100.0)


def test_prompts():
    problem = Problem(id="1-1", source="dynamath", question="What?", answer="1", metadata={"answer_type": "float"})
    assert prompt("dynamath", problem, "paper", "plain").startswith("## Question\n What?\n## Answer Instruction ")
    official = prompt("dynamath", problem, "direct", "plain")
    assert official.startswith("## Question\nWhat?Please answer in a floating-point number.\n## Answer Instruction ")
    assert official.endswith('"short answer": "[Concise Answer]"\n}')
