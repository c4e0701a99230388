"""Compare two models on the same questions: the difference of their scores with an interval and a p value.

Run: python examples/compare_models.py
The command `vr1repro compare` makes a whole report of it.
"""

import tempfile
from pathlib import Path

from vr1repro.benchmarks import facts, read_questions
from vr1repro.core import benchmark_folders
from vr1repro.core.jsonl import read
from vr1repro.core.records import Verdict
from vr1repro.evaluation.grading import grade_file
from vr1repro.reporting.statistics.paired import paired_difference

DATA = Path(__file__).parent / "data"


def correct(model: str, folder: Path) -> dict[str, float]:
    """Whether a model's response is right (1) or not (0), by question."""
    verdicts = folder / f"{model}.jsonl"
    grade_file("quiz", "rule", DATA / f"{model}.jsonl", DATA / "questions.jsonl", verdicts)
    return {verdict.id: float(bool(verdict.verdict.correct)) for verdict in read(verdicts, Verdict)}


if __name__ == "__main__":
    benchmark_folders.use([DATA.parent / "benchmarks" / "quiz"])
    questions = read_questions(facts("quiz"), DATA / "questions.jsonl")
    # Questions that share a picture are not independent.
    pictures = {key: facts("quiz").cluster(question) for key, question in questions.items()}
    with tempfile.TemporaryDirectory() as name:
        result = paired_difference(correct("first", Path(name)), correct("second", Path(name)), pictures)
    points = result.estimate.scaled(100)
    print(f"first - second: {points.value:+.1f} points, 95 % interval [{points.low:.1f}, {points.high:.1f}]")
    print(f"{points.n} questions in {points.clusters} pictures, p = {result.p_value:.2f} by sign flips")
