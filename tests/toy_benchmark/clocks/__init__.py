"""A benchmark of clocks that the package does not know, laid out as docs/benchmarks.md says."""

from vr1repro.benchmarks.base import Benchmark
from vr1repro.config.problems import ProblemSource

BENCHMARK = Benchmark(
    slug="clocks",
    title="Clocks",
    position=90,
    source=ProblemSource(kind="path", path="clocks.jsonl"),
    n_questions=12,
    columns=frozenset({"clock", "question", "answer", "dial"}),
    id_keys=("clock", "id"),
    groups=lambda question: iter([("half", "night" if int(str(question["answer"])[:2]) < 6 else "day")]),
    cluster=lambda question: f"dial {question['dial']}",
    classes="half",
)
