"""What a file of verdicts covers: how many of the benchmark's questions, and whether any answer could be parsed."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from vr1repro.benchmarks.base import Benchmark
from vr1repro.core.errors import BadResponses
from vr1repro.core.jsonl import read
from vr1repro.core.records import Cause, Outcome, Verdict


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Counts of one file of verdicts.

    Attributes:
        benchmark: Of which benchmark.
        outcomes: Verdicts by outcome.
        causes: Timeouts by cause.
        answered: Questions with a verdict, by evaluation seed; None is a file that names no seed.
    """

    benchmark: Benchmark
    outcomes: Counter[Outcome]
    causes: Counter[Cause]
    answered: dict[int | None, int]

    def lines(self) -> list[str]:
        """What a reader of the score must know: seeds, questions without an answer, timeouts."""
        lines = []
        if len(self.answered) > 1:
            lines.append(f"seeds: {len(self.answered)} ({', '.join(map(str, self.answered))})")
        whole = self.benchmark.n_questions
        for seed, n in self.answered.items():
            if n < whole:
                of_seed = "" if len(self.answered) == 1 else f", seed {seed}"
                lines.append(f"NOTE {n} of the {whole} questions of {self.benchmark.title} are answered{of_seed}")
        if self.causes:
            counts = ", ".join(f"{cause} {n}" for cause, n in sorted(self.causes.items()))
            lines.append(f"timeouts by cause: {counts}")
        return lines

    def refuse_unparsable(self, responses: str) -> None:
        """Refuse a file in which no answer was recognised.

        Args:
            responses: What was graded, for the message.

        Raises:
            BadResponses: Every verdict is `unparsable`.
        """
        total = self.outcomes.total()
        if self.outcomes[Outcome.UNPARSABLE] == total:
            raise BadResponses(
                f"{responses}: none of {total} responses can be parsed; is another column meant? --column response=NAME"
            )


def coverage(verdicts: Path, benchmark: Benchmark) -> Coverage:
    """Count a file of verdicts.

    Raises:
        UserError: The file is missing or a row is bad.
    """
    outcomes: Counter[Outcome] = Counter()
    causes: Counter[Cause] = Counter()
    questions: defaultdict[int | None, set[str]] = defaultdict(set)
    for row in read(verdicts, Verdict):
        outcomes[row.verdict] += 1
        if row.cause is not None:
            causes[row.cause] += 1
        questions[(row.model_extra or {}).get("eval_seed")].add(row.id)
    return Coverage(
        benchmark=benchmark,
        outcomes=outcomes,
        causes=causes,
        answered={seed: len(ids) for seed, ids in questions.items()},
    )
