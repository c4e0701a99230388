"""MM-Math (THU-KEG/MM_Math)."""

from collections.abc import Iterator
from typing import Any

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource

_ID_KEYS = ("id", "question_id", "index")
_DIFFICULTY = {"\u5bb9\u6613": "easy", "\u666e\u901a": "medium", "\u56f0\u96be": "hard"}
_GRADES = {"\u4e03": "grade 7", "\u516b": "grade 8", "\u4e5d": "grade 9"}
_KNOWLEDGE = ("Transformations of Shapes", "Properties of Shapes", "Functions")


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    difficulty = question.get("difficult") or question.get("difficulty")
    if difficulty:
        yield "difficulty", _DIFFICULTY.get(str(difficulty), str(difficulty))
    year = str(question.get("year") or "")
    if year:
        yield "grade", _GRADES.get(year[0], year)
    knowledge: Any = question.get("knowledge") or question.get("knowledge_l1") or ""
    for name in _KNOWLEDGE:
        if name in str(knowledge):
            yield "knowledge", name


BENCHMARK = Benchmark(
    slug="mmmath",
    title="MM-Math",
    position=3,
    source=ProblemSource(kind="hub", id="THU-KEG/MM_Math", path="MM_Math.jsonl", images="Image.zip"),
    n_questions=5929,
    columns=frozenset({"question", "solution", "file_name", "difficult"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=lambda question: str(question.get("file_name") or identity(question, _ID_KEYS)),
    classes="difficulty",
)
