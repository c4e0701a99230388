import json

import pytest

from vr1repro.answers.grade import Grader
from vr1repro.benchmarks.mathvision import BENCHMARK
from vr1repro.benchmarks.mathvision.official import equal, model_answer
from vr1repro.benchmarks.mathvision.profiles import PROFILES
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.records import Outcome
from vr1repro.evaluation.scores import Tally


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The area is 12.", "12"),
        ("so it must be (C).", "c"),
        ("B\nbecause", "b"),
        ("\\boxed{1} then \\boxed{x = \\frac{1}{2}}", "\\frac{1}{2}"),
        ("The answer is: 5 km. Done", "5"),
        ("\\boxed{\\text{A}}", "a"),
        ("\\boxed{\\sqrt3}", "\\sqrt{3}"),
        ("\\boxed{90^{\\circ}}", "90"),
        ("3/4", "\\frac{3}{4}"),
        ("", ""),
    ],
)
def test_extraction(response, answer):
    assert model_answer(response) == answer


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("$\\frac{1}{2}$", "0.5", True),
        ("8+2\\sqrt{2}", "8+2\\sqrt{2}}.theansweris:8+2\\sqrt{2", True),
        ("$36^{\\circ}$", "36", False),
        ("$45 \\%$", "45%", False),
        ("(0.5,2)", "(\\frac{1}{2},2)", True),
        ("(1,2)", "(2,1)", False),
        ("x", "y", False),
        ("2^{10}", "1024", True),
        ("12", "__import__('os').system('true')", False),
    ],
)
def test_equal(gold, answer, right):
    assert equal((gold,), answer) is right


def test_hostile_responses_get_a_verdict(tmp_path):
    mark = tmp_path / "mark"
    question = {"id": "1", "options": [], "answer": "12"}
    responses = [
        f"\\boxed{{__import__('os').system('touch {mark}')}}",
        "oxed{" * 200_000,
        "{" * 200_000,
        "9" * 10_000_000,
        "\\boxed{9^{9^{9^{9^9}}}}",
        "1\x002",
        "\ud800",
    ]
    with Grader(workers=2, timeout_s=3) as grader:
        verdicts = list(
            grader.stream(PROFILES["official"](question, {"response": text}, Options()) for text in responses)
        )
    assert len(verdicts) == len(responses)
    assert all(verdict.verdict is not Outcome.RIGHT for verdict in verdicts)
    assert not mark.exists()


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def differences(shared, name):
    questions = {row["id"]: row for row in rows_of(shared / "mathvision" / "questions.jsonl")}
    rows = rows_of(shared / "mathvision" / "outputs" / name)
    tally = Tally(BENCHMARK)
    with Grader(workers=2, timeout_s=60) as grader:
        items = (PROFILES["official"](questions[row["id"]], row, Options()) for row in rows)
        verdicts = list(grader.stream(items))
    for row, verdict in zip(rows, verdicts, strict=True):
        tally.add(questions[row["id"]], verdict)
    assert tally.scores()[0].n == len(rows) == 3040
    assert sum(score.n for score in tally.scores() if score.group == "subject") == 3040
    return [row["id"] for row, v in zip(rows, verdicts, strict=True) if (v.correct is True) != row["correct"]]


@pytest.mark.parametrize("name", ["SPHINX-MoE.jsonl", "ShareGPT4V-7B.jsonl"])
def test_every_official_verdict(shared, name):
    assert differences(shared, name) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "Gemini-Pro-CoT.jsonl",
        "InternLM-XComposer2-VL-CoT.jsonl",
        "LLaVA-v1.5-13B.jsonl",
        "Qwen-VL-Plus.jsonl",
        "SPHINX-v2.jsonl",
        "ShareGPT4V-13B.jsonl",
    ],
)
def test_every_official_verdict_of_the_others(shared, name):
    assert differences(shared, name) == []
