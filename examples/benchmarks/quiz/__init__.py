"""A benchmark of one's own, as a folder. A config names it in `benchmark_folders`."""

from vr1repro.benchmarks.base import Benchmark
from vr1repro.config.problems import ProblemSource

BENCHMARK = Benchmark(
    slug="quiz",
    title="Quiz",
    position=100,
    source=ProblemSource(kind="path", path="examples/data/questions.jsonl"),
    n_questions=6,
    columns=frozenset({"id", "picture", "question", "answer"}),
    id_keys=("id",),
    groups=lambda question: iter([("type", "choice" if "options" in question else "free")]),
    cluster=lambda question: str(question["picture"]),
)
