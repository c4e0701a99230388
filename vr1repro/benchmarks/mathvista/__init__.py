"""MathVista (AI4Math/MathVista, testmini)."""

from collections.abc import Iterator

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource

_ID_KEYS = ("pid", "id", "question_id")
_METADATA = ("language", "source", "category", "task", "context", "grade")


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    metadata = question.get("metadata") or {}
    for group in ("question_type", "answer_type"):
        yield group, str(question[group])
    for group in _METADATA:
        if metadata.get(group) is not None:
            yield group, str(metadata[group])
    for skill in metadata.get("skills") or ():
        yield "skills", str(skill)


BENCHMARK = Benchmark(
    slug="mathvista",
    title="MathVista",
    position=1,
    source=ProblemSource(
        kind="hub", id="AI4Math/MathVista", revision="2b6ad69445fbb5695c9b165475e8decdbeb97747", split="testmini"
    ),
    n_questions=1000,
    columns=frozenset({"pid", "question", "answer", "question_type", "answer_type"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=lambda question: str(question.get("image") or identity(question, _ID_KEYS)),
    printed={
        ("task", "geometry problem solving"): "gps",
        ("task", "math word problem"): "mwp",
        ("skills", "geometry reasoning"): "geo",
        ("skills", "algebraic reasoning"): "alg",
        ("skills", "arithmetic reasoning"): "ari",
    },
    classes="task",
    llm_extracted=("official", "vlmevalkit", "lmms-eval"),
)
