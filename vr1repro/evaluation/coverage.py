"""What a file of verdicts covers: how many of the benchmark's questions, and whether any answer could be parsed."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from vr1repro.benchmarks.base import Benchmark
from vr1repro.core.errors import BadResponses
from vr1repro.core.jsonl import read
from vr1repro.core.records import Cause, Outcome, Verdict
from vr1repro.evaluation.llm_commands import llm_part


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

    def without_llm(self, profile: str) -> str:
        """How many responses wait for what a profile reads of an LLM; empty where none does."""
        lacking = self.outcomes[Outcome.JUDGE_ERROR]
        if not lacking or not llm_part(self.benchmark, profile):
            return ""
        return f"{lacking} of {self.outcomes.total()} responses have no verdict"

    def refuse_ungraded(self, responses: str, profile: str, remedy: str) -> None:
        """Refuse a file in which no response could be graded for want of an LLM's part.

        Args:
            responses: What was graded, for the message.
            remedy: What brings that part.

        Raises:
            BadResponses: Every verdict waits for it.
        """
        if (why := self.without_llm(profile)) and self.outcomes[Outcome.JUDGE_ERROR] == self.outcomes.total():
            raise BadResponses(f"{responses}: {why}; {remedy}")

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
