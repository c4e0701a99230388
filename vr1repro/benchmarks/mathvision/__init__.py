"""MathVision (MathLLMs/MathVision, test)."""

from collections.abc import Iterator

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource

_ID_KEYS = ("id", "question_id")


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    if question.get("subject"):
        yield "subject", str(question["subject"])
    if question.get("level") is not None:
        yield "level", str(question["level"])
    yield "form", "multiple choice" if question.get("options") is not None and len(question["options"]) else "free"


BENCHMARK = Benchmark(
    slug="mathvision",
    title="MathVision",
    position=5,
    source=ProblemSource(kind="hub", id="MathLLMs/MathVision", split="test"),
    n_questions=3040,
    columns=frozenset({"id", "question", "options", "answer", "level", "subject"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=lambda question: str(question.get("image") or identity(question, _ID_KEYS)),
    classes="subject",
    choices_column="options",
    llm_extracted=("vlmevalkit",),
)
