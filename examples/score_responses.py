"""Score a JSONL file of responses against the questions of a benchmark.

Run: python examples/score_responses.py [RESPONSES.jsonl QUESTIONS.jsonl BENCHMARK]
The command `vr1repro grade` does the same.
"""

import sys
import tempfile
from pathlib import Path

from vr1repro.core import benchmark_folders
from vr1repro.evaluation.grading import grade_file

HERE = Path(__file__).parent


def main(responses: Path, questions: Path, benchmark: str) -> None:
    """Print the overall score and the benchmark's sub-scores, with bounds where no verdict could be given."""
    with tempfile.TemporaryDirectory() as folder:
        scores = grade_file(benchmark, "rule", responses, questions, Path(folder) / "verdicts.jsonl")
    for score in scores:
        print(f"{score.group} {score.name}: {score.value:.1f} % of {score.n} [{score.low:.1f}, {score.high:.1f}]")


if __name__ == "__main__":
    benchmark_folders.use([HERE / "benchmarks" / "quiz"])
    if sys.argv[1:]:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    else:
        main(HERE / "data" / "first.jsonl", HERE / "data" / "questions.jsonl", "quiz")
