"""MathVerse (AI4Math/MathVerse, testmini): five versions with pictures of 788 problems.

The overall score is the mean of the five versions (17 of 17 published rows agree).
"""

from collections.abc import Iterator

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource

VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
_ID_KEYS = ("sample_index", "id", "question_id")


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    metadata = question.get("metadata") or {}
    if question.get("problem_version"):
        yield "version", str(question["problem_version"])
    for group in ("subject", "subfield", "source"):
        if metadata.get(group):
            yield group, str(metadata[group])
    if question.get("question_type"):
        yield "question_type", str(question["question_type"])


BENCHMARK = Benchmark(
    slug="mathverse",
    title="MathVerse",
    position=2,
    source=ProblemSource(kind="hub", id="AI4Math/MathVerse", name="testmini", split="testmini"),
    n_questions=3940,
    columns=frozenset({"sample_index", "problem_version", "answer"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=lambda question: str(question.get("problem_index") or identity(question, _ID_KEYS)),
    overall="version",
    members=VERSIONS,
    printed={("version", "Vision Only"): "vision-only"},
    classes="version",
    llm_extracted=("official", "vlmevalkit"),
    llm_judged=("official", "vlmevalkit", "lmms-eval"),
)
