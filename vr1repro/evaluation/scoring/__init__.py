"""Scoring profiles: what each benchmark's official scorer, its peers and our own rules say of one response."""

from collections.abc import Iterable

from vr1repro.core.errors import UserError
from vr1repro.core.records import Verdict
from vr1repro.evaluation.scoring.base import Benchmark, Judge, Options, Question, Row, Score, Tally
from vr1repro.evaluation.scoring.dynamath import DYNAMATH
from vr1repro.evaluation.scoring.mathverse import MATHVERSE
from vr1repro.evaluation.scoring.mathvision import MATHVISION
from vr1repro.evaluation.scoring.mathvista import MATHVISTA
from vr1repro.evaluation.scoring.mmmath import MMMATH

__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Judge",
    "Options",
    "Question",
    "Row",
    "Score",
    "Tally",
    "aggregate",
    "benchmark",
    "cluster_of",
    "profile",
]

BENCHMARKS: dict[str, Benchmark] = {item.slug: item for item in (MATHVISTA, MATHVERSE, MMMATH, DYNAMATH, MATHVISION)}


def benchmark(slug: str) -> Benchmark:
    """A benchmark by its slug.

    Raises:
        UserError: There is no such benchmark; the message lists the known.
    """
    if slug not in BENCHMARKS:
        raise UserError(f"benchmark {slug!r} is not known; take one of {', '.join(sorted(BENCHMARKS))}")
    return BENCHMARKS[slug]


def profile(slug: str, name: str) -> Judge:
    """A scoring profile of a benchmark.

    Raises:
        UserError: There is no such benchmark or profile; the message lists the known.
    """
    profiles = benchmark(slug).profiles
    if name not in profiles:
        raise UserError(f"{slug} has no scoring profile {name!r}; take one of {', '.join(sorted(profiles))}")
    return profiles[name]


def cluster_of(slug: str, question: Question) -> str:
    """The id that questions share whose errors are not independent: MathVerse's problem, else the image or the id."""
    return benchmark(slug).cluster(question)


def aggregate(slug: str, verdicts: Iterable[Verdict], questions: dict[str, Question]) -> list[Score]:
    """Overall score and sub-scores of verdicts, by the questions' own columns.

    Args:
        slug: The benchmark.
        verdicts: Verdicts on its questions; of several attempts at one the last counts.
        questions: The questions by id, see `vr1repro.evaluation.questions.read_questions`.

    Raises:
        KeyError: A verdict's question is not among the questions.
    """
    tally = Tally(benchmark(slug))
    for verdict in verdicts:
        tally.add(questions[verdict.id], verdict)
    return tally.scores()
