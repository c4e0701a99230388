"""ChartQA: pix2struct's own cases of relaxed accuracy, both hub schemas, and what a reply is cut to."""

import pytest

from vr1repro.benchmarks.chartqa import BENCHMARK, adapter, golds_of
from vr1repro.benchmarks.chartqa.official import relaxed
from vr1repro.benchmarks.chartqa.profiles import PROFILES
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.records import Verdict
from vr1repro.evaluation.prompts import prompt

# google-research/pix2struct@67e9f30, pix2struct/metrics_test.py, test_pix2struct_metrics (Apache-2.0).
CASES = [
    ("abc", "abc", True), ("Abc", "abc", True), ("abc", "Abc", True), ("96%", "100%", True), ("94%", "100%", False),
    ("0.96", "100%", True), ("0.94", "100%", False), ("Won't", "Don't", False),
]  # fmt: skip


@pytest.mark.parametrize(("gold", "answer", "right"), CASES)
@pytest.mark.parametrize("profile", ["official", "vlmevalkit", "lmms-eval"])
def test_pix2structs_cases(profile: str, gold: str, answer: str, right: bool) -> None:
    assert relaxed(gold, answer) == right
    graded = PROFILES[profile]({"id": "1", "label": [gold]}, {"response": answer}, Options())
    assert isinstance(graded, Verdict)
    assert graded.correct == right


def test_their_relaxed_accuracy_is_62_5_percent() -> None:
    assert 100 * sum(relaxed(gold, answer) for gold, answer, _ in CASES) / len(CASES) == 62.5


@pytest.mark.parametrize(
    ("gold", "response", "official", "vlmevalkit", "rule"),
    [
        ("14", "14", "right", "right", "right"),
        ("14", " 14 ", "right", "right", "right"),
        ("Yes", " Yes ", "wrong", "right", "right"),
        ("14", "14%", "wrong", "wrong", "right"),
        ("1234", "$1,234", "wrong", "wrong", "right"),
        ("0", "0.0", "wrong", "wrong", "right"),
        ("14", "14.6", "right", "right", "right"),
        ("14", "15", "wrong", "wrong", "wrong"),
        ("14", "The answer is 14.", "wrong", "wrong", "right"),
        ("14", "<think> 12? </think><answer> Final Answer:14 </answer>", "right", "right", "right"),
        ("14", r"So \boxed{14}.", "right", "right", "right"),
        ("14", "9" * 400, "wrong", "wrong", "wrong"),
        ("14", "", "unparsable", "unparsable", "unparsable"),
    ],
)
def test_rules(gold: str, response: str, official: str, vlmevalkit: str, rule: str) -> None:
    question = {"id": "1", "question": "How many?", "answer": gold, "type": "human_test"}
    graded = [
        PROFILES[name](question, {"response": response}, Options()) for name in ("official", "vlmevalkit", "rule")
    ]
    assert [one.verdict.value for one in graded if isinstance(one, Verdict)] == [official, vlmevalkit, rule]


def test_any_of_several_golds_counts() -> None:
    graded = PROFILES["official"]({"id": "1", "label": ["red", "blue"]}, {"response": "Blue"}, Options())
    assert isinstance(graded, Verdict)
    assert graded.verdict.value == "right"


def test_both_hub_schemas_are_read() -> None:
    hub = adapter.adapt({"image": b"x", "query": "How many?", "label": ["14"], "human_or_machine": 1}, 7, None)
    lmms = adapter.adapt({"image": b"x", "question": "How many?", "answer": "14", "type": "augmented_test"}, 7, None)
    assert hub == lmms
    assert (hub.id, hub.answer, hub.metadata["type"]) == ("7", "14", "augmented")
    question = {**hub.metadata, "id": hub.id, "question": hub.question, "answer": hub.answer}
    assert list(BENCHMARK.groups(question)) == [("source", "augmented")]
    assert BENCHMARK.cluster(question) == hub.metadata["chart"]
    assert golds_of(question) == ["14"]


def test_both_known_prompts() -> None:
    problem = adapter.adapt({"image": b"x", "query": "How many?", "label": ["14"], "human_or_machine": 0}, 0, None)
    assert prompt("chartqa", problem, "paper", "plain") == (
        "How many?\nAnswer the question using a single word or phrase."
    )
    assert prompt("chartqa", problem, "direct", "plain").endswith("short words or phrases if possible.")
