"""ChartQA (HuggingFaceM4/ChartQA, test): 2500 questions on charts, half written by people, half by a model.

The overall score is relaxed accuracy: a number may be 5 % off.
"""

from collections.abc import Iterator

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource

_ID_KEYS = ("id", "question_id", "index")
_SOURCES = {"0": "human", "1": "augmented", "human_test": "human", "augmented_test": "augmented"}


def golds_of(question: Question) -> list[str]:
    """The gold answers: one, or a list of those that count."""
    value = next(question[key] for key in ("label", "answer") if question.get(key) is not None)
    return [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def source_of(question: Question) -> str | None:
    """Who wrote a question: `human`, or `augmented`; None where its row does not say."""
    value = next((question[key] for key in ("human_or_machine", "type") if question.get(key) is not None), None)
    return None if value is None else _SOURCES.get(str(value), str(value))


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    source = source_of(question)
    if source is not None:
        yield "source", source


BENCHMARK = Benchmark(
    slug="chartqa",
    title="ChartQA",
    position=12,
    source=ProblemSource(kind="hub", id="HuggingFaceM4/ChartQA", split="test"),
    n_questions=2500,
    columns=frozenset({"query", "label", "human_or_machine"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    # Several questions share a chart. The hub's rows name it by its picture alone, whose hash problem files keep.
    cluster=lambda question: str(question.get("chart") or identity(question, _ID_KEYS)),
    classes="source",
)
