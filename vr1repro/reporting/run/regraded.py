"""Some verdicts of a file graded again, chosen by hash so that nobody knows which before the file is written."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.answers.grade import Grader, Work
from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Benchmark
from vr1repro.benchmarks.questions import read_questions
from vr1repro.benchmarks.scoring import Options
from vr1repro.core.jsonl import read, read_lines
from vr1repro.core.records import Outcome, Response, Verdict, sha256
from vr1repro.evaluation.counted import select
from vr1repro.evaluation.grading import scoring_code
from vr1repro.evaluation.protocols import named

ROWS = 20  # of each file; a file of which a quarter was edited passes once in 300 times
_NO_GRADE = (Outcome.TIMEOUT, Outcome.JUDGE_ERROR)  # says nothing of the row


@dataclass(frozen=True, kw_only=True)
class GradedFile:
    """A file of verdicts, and what it was made of.

    Attributes:
        code: Hash of the code that graded it (`evaluation.grading.scoring_code`); None where that is not on record.
    """

    path: Path
    sha256: str
    code: str | None
    responses: Path
    questions: Path
    benchmark: str
    protocol: str

    @property
    def profile(self) -> str:
        """The scoring profile."""
        return self.path.stem


@dataclass(frozen=True, kw_only=True)
class Regraded:
    """A file with rows that come out otherwise.

    Attributes:
        n: Rows that were graded again.
        differing: The row of the file, and what it is now.
        same_code: Whether the code that graded it is today's.
    """

    file: GradedFile
    n: int
    differing: list[tuple[Verdict, Verdict]]
    same_code: bool

    def text(self) -> str:
        """What comes out otherwise."""
        old, new = self.differing[0]
        return (
            f"{len(self.differing)} of {self.n} rows that were graded again come out otherwise, {old.id!r} as"
            f" {new.verdict.value} (read {new.extraction!r}), where {old.verdict.value} ({old.extraction!r}) is written"
        )


def needs_llm(benchmark: Benchmark, profile: str) -> bool:
    """Whether a profile reads what an LLM extracted or judged, which a file of responses does not hold."""
    return profile in (*benchmark.llm_judged, *benchmark.llm_extracted)


def regrade(files: Iterable[GradedFile], workers: int = 1) -> Iterator[Regraded]:
    """Grade `ROWS` rows of each file again, but for profiles that need an LLM.

    Yields:
        The files of which a row comes out otherwise.

    Raises:
        UserError: A file cannot be read.
    """
    questions: dict[Path, dict[str, Any]] = {}
    with Grader(workers) as grader:
        for file in files:
            benchmark = lookup.facts(file.benchmark)
            if needs_llm(benchmark, file.profile):
                continue
            if file.questions not in questions:
                questions[file.questions] = read_questions(benchmark, file.questions)
            verdicts = {row.id: row for row in read(file.path, Verdict)}
            by_hash = {sha256(f"{file.sha256}/{key}"): key for key in verdicts}
            chosen = {by_hash[sha] for sha in heapq.nsmallest(ROWS, by_hash)}
            again = list(grader.stream(_items(file, chosen, questions[file.questions])))
            pairs = [(verdicts[new.id], new) for new in again if new.verdict not in _NO_GRADE]
            differing = [
                (old, new)
                for old, new in pairs
                if old.verdict not in _NO_GRADE and (old.verdict, old.extraction) != (new.verdict, new.extraction)
            ]
            if differing:
                same_code = file.code is not None and file.code == scoring_code(file.benchmark)
                yield Regraded(file=file, n=len(pairs), differing=differing, same_code=same_code)


def _items(file: GradedFile, chosen: set[str], questions: dict[str, Any]) -> Iterator[Verdict | Work[Verdict]]:
    scorer = lookup.profile(file.benchmark, file.profile)
    rows = (Response.model_validate(row) for _, row in read_lines(file.responses) if str(row.get("id")) in chosen)
    for response in select(rows, named(file.protocol)):
        if response.id in questions:
            yield scorer(questions[response.id], response.model_dump(), Options())
