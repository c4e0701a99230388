import json

import pytest

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks.mathverse import BENCHMARK, VERSIONS
from vr1repro.benchmarks.mathverse.profiles import PROFILES
from vr1repro.benchmarks.mathverse.rule import choices_of
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.records import Outcome, Verdict
from vr1repro.evaluation.scores import Score, Tally, _mean

MULTI = {
    "sample_index": "7",
    "problem_index": "2",
    "problem_version": "Text Lite",
    "question_type": "multi-choice",
    "question": "angle 2 is ()\nChoices:\nA:50°\nB:60°\nC:65°\nD:90°",
    "answer": "C",
}
FREE = {**MULTI, "question_type": "free-form", "question": "angle?", "answer": "35掳"}


def grade(question, response, profile="rule", **row):
    with Grader(timeout_s=10) as grader:
        judge = PROFILES[profile]
        return next(grader.stream([judge(question, {"response": response, **row}, Options())]))


@pytest.mark.parametrize(
    ("changes", "response", "verdict"),
    [
        ({}, "C", "right"),
        ({}, "\\boxed{65^\\circ}", "right"),
        ({}, "The answer is (C) 65°.", "right"),
        ({}, "the answer is B", "wrong"),
        ({}, "", "unparsable"),
        ({"answer": "(C)"}, "C", "right"),
        ({"answer": "C\nD"}, "C and D", "right"),
        ({"answer": "C\nD"}, "C", "wrong"),
        ({"question": "True?\nChoice:\nA. True\nB. False", "answer": "False"}, "B", "right"),
        ({"question": "", "answer": "C"}, "(C)", "right"),
        ({"question": "", "question_for_eval": MULTI["question"]}, "65", "right"),
    ],
)
def test_multiple_choice(changes, response, verdict):
    assert grade({**MULTI, **changes}, response).verdict.value == verdict


@pytest.mark.parametrize(
    ("response", "verdict"), [("35°", "right"), ("the answer is 35 degrees", "right"), ("36", "wrong")]
)
def test_free_form(response, verdict):
    assert grade(FREE, response).verdict.value == verdict


def test_official_needs_the_judges_reply():
    assert grade(FREE, "x", "official", judgement="1").verdict is Outcome.RIGHT
    assert grade(FREE, "x", "official", judgement=0).verdict is Outcome.WRONG
    assert grade(FREE, "x", "official", judgement="yes").verdict is Outcome.JUDGE_ERROR
    assert grade(FREE, "x", "official").correct is None


def test_overall_is_the_mean_of_versions_and_text_only_is_apart():
    tally = Tally(BENCHMARK)
    for version, outcomes in {
        "Text Dominant": [Outcome.RIGHT, Outcome.RIGHT],
        "Vision Only": [Outcome.RIGHT, Outcome.TIMEOUT, Outcome.WRONG, Outcome.WRONG],
        "Text Only": [Outcome.RIGHT],
    }.items():
        for outcome in outcomes:
            tally.add({**MULTI, "problem_version": version}, Verdict(id="7", verdict=outcome))
    overall = tally.scores()[0]
    # Of Vision Only three have a verdict, of which one is right.
    assert (overall.value, overall.low, overall.high) == (pytest.approx((100 + 100 / 3) / 2), 62.5, 75.0)
    assert (overall.n, overall.n_undecided) == (6, 1)
    assert "missing: Text Lite, Vision Intensive, Vision Dominant" in overall.note


def test_aggregation_reproduces_the_leaderboard(shared):
    table = json.loads((shared / "mathverse" / "leaderboard_testmini.json").read_text())
    assert len(table) == 17
    for row in table:
        members = [
            Score(group="version", name=name, n=788, n_right=0, n_undecided=0, value=value, low=value, high=value)
            for name, value in row["wo"].items()
            if name in VERSIONS
        ]
        # The published figures are rounded to 0.1 each, and so is their mean: 0.1 apart at most.
        assert _mean(members, BENCHMARK).value == pytest.approx(row["wo"]["ALL"], abs=0.1001), row["model"]


def test_choices_stand_in_nearly_all_real_questions(shared):
    path = shared / "mathverse" / "testmini_text_only.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    multi = [row for row in rows if row["question_type"] == "multi-choice"]
    assert len(multi) == 436
    assert sum(len(choices_of(row)) >= 2 for row in multi) == 436


def test_golds_answer_themselves(shared):
    path = shared / "mathverse" / "testmini_text_only.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    with Grader(workers=2, timeout_s=20) as grader:
        items = (
            PROFILES["rule"](row, {"response": f"<answer> Final Answer:{row['answer']} </answer>"}, Options())
            for row in rows
        )
        wrong = [row["answer"] for row, v in zip(rows, grader.stream(items), strict=True) if not v.correct]
    assert wrong == []
