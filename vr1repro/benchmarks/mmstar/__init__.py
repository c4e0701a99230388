"""MMStar (Lin-Chen/MMStar, val): 1500 multiple-choice questions that cannot be answered without their picture.

Six categories of 250 questions in eighteen finer ones; the overall score is the mean of all rows.

Deviations from the paper, beside the values that it does not state:

1. How the general benchmarks of v4 Table 2 (MMStar, ChartQA, MME, HallusionBench) were run and scored is not stated,
   and the repository's `run_all.py` runs none of them. It vendors VLMEvalKit, whose prompts are `paper` here; each
   benchmark's official rule and VLMEvalKit's are both there.
"""

from collections.abc import Iterator

from vr1repro.benchmarks.base import Benchmark, Question, identity
from vr1repro.config.problems import ProblemSource

_ID_KEYS = ("index", "id", "question_id")


def _groups(question: Question) -> Iterator[tuple[str, str]]:
    for group in ("category", "l2_category"):
        if question.get(group):
            yield group, str(question[group])


BENCHMARK = Benchmark(
    slug="mmstar",
    title="MMStar",
    position=11,
    source=ProblemSource(kind="hub", id="Lin-Chen/MMStar", split="val"),
    n_questions=1500,
    columns=frozenset({"index", "question", "answer", "category", "l2_category"}),
    id_keys=_ID_KEYS,
    groups=_groups,
    cluster=lambda question: str(identity(question, _ID_KEYS)),
    classes="category",
    llm_extracted=("vlmevalkit",),
)
