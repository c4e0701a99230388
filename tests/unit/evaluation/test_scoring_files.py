import json

import pytest

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import read_questions
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Outcome, Problem, Verdict
from vr1repro.evaluation.grading import equivalent_file, grade_file, summary
from vr1repro.evaluation.scores import aggregate

QUESTIONS = [
    {"id": "1", "question": "?", "options": ["A", "B"], "answer": "B", "level": 1, "subject": "logic"},
    {"id": "2", "question": "?", "options": [], "answer": "12", "level": 2, "subject": "logic"},
]


@pytest.fixture
def files(tmp_path):
    write_rows(tmp_path / "q.jsonl", QUESTIONS)
    write_rows(
        tmp_path / "r.jsonl",
        [{"id": 2, "response": "\\boxed{12.0}"}, {"question_id": "1", "response": "A", "attempt": 0, "eval_seed": 3}],
    )
    return tmp_path


def out_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_keep_their_order_and_their_keys(files):
    scores = grade_file("mathvision", "official", files / "r.jsonl", files / "q.jsonl", files / "out" / "v.jsonl")
    rows = out_rows(files / "out" / "v.jsonl")
    assert [(row["id"], row["verdict"], row["correct"]) for row in rows] == [
        ("2", "right", True),
        ("1", "wrong", False),
    ]
    assert {"id", "extraction", "prediction", "verdict", "correct"} <= set(rows[0])
    assert (rows[1]["attempt"], rows[1]["eval_seed"]) == (0, 3)
    assert (scores[0].n, scores[0].n_right, scores[0].value) == (2, 1, 50.0)
    assert {(score.group, score.name) for score in scores} >= {("subject", "logic"), ("level", "1"), ("level", "2")}
    assert "50.00  1/2" in summary(scores)


def test_the_last_attempt_counts(files):
    rows = [{"id": "2", "response": text, "attempt": n, "eval_seed": 0} for n, text in enumerate(["7", "12", "12"])]
    write_rows(files / "r.jsonl", [*rows, {"id": "2", "response": "7", "attempt": 0, "eval_seed": 1}])
    scores = grade_file("mathvision", "official", files / "r.jsonl", files / "q.jsonl", files / "v.jsonl")
    assert (scores[0].n, scores[0].n_right) == (2, 1)
    assert len(out_rows(files / "v.jsonl")) == 4


def test_errors_name_file_and_line_and_leave_no_output(files):
    write_rows(files / "r.jsonl", [{"id": "2", "response": "12"}, {"id": "9", "response": "12"}])
    with pytest.raises(UserError, match=r"r\.jsonl:2: .*no question '9'"):
        grade_file("mathvision", "official", files / "r.jsonl", files / "q.jsonl", files / "v.jsonl")
    assert not list(files.glob("*v.jsonl*"))
    write_rows(files / "r.jsonl", [{"response": "12"}])
    with pytest.raises(UserError, match=r"r\.jsonl:1: the row has no id"):
        grade_file("mathvision", "official", files / "r.jsonl", files / "q.jsonl", files / "v.jsonl")


def test_unknown_names_list_the_known(files):
    with pytest.raises(UserError, match="official, rule"):
        grade_file("mathvision", "nope", files / "r.jsonl", files / "q.jsonl", files / "v.jsonl")
    with pytest.raises(
        UserError, match="chartqa, dynamath, hallusionbench, mathverse, mathvision, mathvista, mme, mmmath, mmstar"
    ):
        grade_file("nope", "official", files / "r.jsonl", files / "q.jsonl", files / "v.jsonl")


def test_questions_from_our_own_parquet(tmp_path):
    problem = Problem(id="1", source="mathvision", question="?", answer="B", choices=["4", "5"], image=b"png")
    write_problems(tmp_path / "q" / "a.parquet", [problem.model_copy(update={"metadata": {"subject": "logic"}})])
    question = read_questions(lookup.facts("mathvision"), tmp_path / "q")["1"]
    assert (question["options"], question["subject"]) == (["4", "5"], "logic")
    assert "image" not in question


def test_questions_from_the_hubs_parquet_without_pictures(shared):
    questions = read_questions(lookup.facts("mathvision"), shared / "mathvision" / "problems-240.parquet")
    assert len(questions) == 240
    question = next(iter(questions.values()))
    assert "decoded_image" not in question
    assert lookup.facts("mathvision").cluster(question) == question["image"]


def test_a_question_twice_is_refused(files):
    write_rows(files / "q.jsonl", [QUESTIONS[0], QUESTIONS[0]])
    with pytest.raises(UserError, match="'1' stands twice"):
        read_questions(lookup.facts("mathvision"), files / "q.jsonl")


def test_aggregate(files):
    questions = read_questions(lookup.facts("mathvision"), files / "q.jsonl")
    verdicts = [Verdict(id="1", verdict=Outcome.TIMEOUT), Verdict(id="2", verdict=Outcome.RIGHT)]
    overall = aggregate(lookup.facts("mathvision"), verdicts, questions)[0]
    assert (overall.low, overall.value, overall.high, overall.n_undecided) == (50.0, 100.0, 100.0, 1)


def test_pairs(tmp_path):
    write_rows(
        tmp_path / "p.jsonl",
        [
            {"gold": "$9$", "pred": "Answer $ \n 9 \n $", "match_types": ["latex"]},
            {"gold": "$9$", "pred": "Answer $ \n 9 \n $"},
            {"gold": "$0.333$", "pred": "$\\frac{1}{3}$", "precision": 3, "match_types": "default"},
            {"gold": "12", "pred": None, "id": "none"},
        ],
    )
    counts = equivalent_file(tmp_path / "p.jsonl", tmp_path / "o.jsonl", timeout_s=20)
    rows = out_rows(tmp_path / "o.jsonl")
    assert [row["correct"] for row in rows] == [False, True, True, False]
    assert [row["id"] for row in rows] == ["1", "2", "3", "none"]
    assert counts[Outcome.RIGHT] == 2


@pytest.mark.parametrize(
    "row",
    [
        {"pred": "1"},
        {"gold": "1", "pred": 1},
        {"gold": "1", "pred": "1", "match_types": ["nope"]},
        {"gold": "1", "pred": "1", "precision": "6"},
    ],
)
def test_bad_pairs_name_file_and_line(tmp_path, row):
    write_rows(tmp_path / "p.jsonl", [row])
    with pytest.raises(UserError, match=r"p\.jsonl:1: "):
        equivalent_file(tmp_path / "p.jsonl", tmp_path / "o.jsonl")


def test_a_protocol_decides_which_attempt_is_scored(tmp_path):
    questions, responses = tmp_path / "q.jsonl", tmp_path / "r.jsonl"
    asked = {"pid": "1", "question": "?", "answer": "7", "question_type": "free_form", "answer_type": "integer",
             "precision": None, "choices": None, "metadata": {"category": "math", "task": "t", "context": "c",
             "grade": "g", "language": "english", "skills": [], "source": "s"}}  # fmt: skip
    questions.write_text(json.dumps(asked) + "\n")
    cut, whole = "the sum is 9", "<think>5+2</think><answer> Final Answer:7 </answer>"
    rows = [{"id": "1", "attempt": attempt, "response": text, "n_tokens": 9, "finish_reason": "stop",
             "benchmark": "mathvista", "protocol": "paper", "run": "r", "model": "m", "arm": None,
             "train_seed": None, "eval_seed": 1, "prompt_sha": "0"}
            for attempt, text in enumerate([cut, whole])]  # fmt: skip
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = {}
    for protocol in ("single", "paper", None):
        out = tmp_path / f"{protocol}.jsonl"
        overall = grade_file("mathvista", "rule", responses, questions, out, protocol=protocol)[0]
        found[protocol] = (overall.n_right, overall.n)
    assert found == {"single": (0, 1), "paper": (1, 1), None: (1, 1)}
    taken = [row["prediction"] for row in out_rows(tmp_path / "paper.jsonl")]
    assert taken == ["7"]
