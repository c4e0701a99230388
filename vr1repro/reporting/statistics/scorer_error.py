"""How far a scorer's verdicts are from another's that published numbers were made with, measured on public outputs.

On files with both verdicts, the share that the other scorer calls right is counted for each verdict of ours and each
kind of question. Applied to new responses these shares give the score that the other scorer would have given. How wrong
that is for a model of another family is measured by leaving each family out in turn: families answer in their own
styles, and the error of a rate within a family is small beside the difference between families.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

FEWEST_FAMILIES = 4
# A verdict of a kind that was seen rarely leans on that verdict over all kinds, as if seen this often.
_LEAN = 20.0

Count = tuple[int, int]
"""Responses, and those of them that the other scorer calls right."""


class MeasuredFile(BaseModel):
    """One file of responses under both scorers.

    Attributes:
        name: The file.
        family: Models that answer in one style, such as all of one maker's; never split between fitting and checking.
        sha256: Of its bytes.
        counts: By kind of question, then by our verdict.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    family: str
    sha256: str
    counts: dict[str, dict[str, Count]]

    @property
    def n(self) -> int:
        """Responses."""
        return sum(n for verdicts in self.counts.values() for n, _ in verdicts.values())

    @property
    def score(self) -> float:
        """Percent that the other scorer calls right."""
        return 100 * sum(right for verdicts in self.counts.values() for _, right in verdicts.values()) / self.n


class ScorerErrors(BaseModel):
    """The measured errors of one scorer as a stand-in for another.

    Attributes:
        benchmark: Whose questions.
        profile: Ours.
        llm: Who extracted or judged for it; None where no LLM does.
        stands_for: The other.
        kinds: The group of sub-scores that are the kinds of question.
        files: What it was measured on.
    """

    model_config = ConfigDict(extra="forbid")

    benchmark: str
    profile: str
    llm: str | None = None
    stands_for: str
    kinds: str
    files: Annotated[list[MeasuredFile], Field(min_length=1)]


class Corrected(BaseModel):
    """A score as the other scorer would give it, in percent, with its interval over model families."""

    value: float
    low: float
    high: float
    families: int


def corrected(
    counts: Mapping[str, Mapping[str, int]], files: Sequence[MeasuredFile], confidence: float
) -> Corrected | None:
    """The score that the other scorer would give to new responses.

    Args:
        counts: How many responses, by kind of question and our verdict.
        files: Measured ones. Leave out the responses' own file and family to check the method.

    Returns:
        None where there are no responses, or fewer than `FEWEST_FAMILIES` families were measured.
    """
    from scipy.special import stdtrit

    families = sorted({file.family for file in files})
    total = sum(n for verdicts in counts.values() for n in verdicts.values())
    if len(families) < FEWEST_FAMILIES or not total:
        return None
    squares = []
    for family in families:
        others = _Rates([file for file in files if file.family != family])
        missed = [file.score - others.score(_responses(file)) for file in files if file.family == family]
        squares.append(math.fsum(one**2 for one in missed) / len(missed))
    spread = math.sqrt(math.fsum(squares) / len(squares) * (1 + 1 / len(families)))
    value = _Rates(files).score(counts)
    half = float(stdtrit(len(families) - 1, 0.5 + confidence / 2)) * spread
    return Corrected(value=value, low=max(0.0, value - half), high=min(100.0, value + half), families=len(families))


def _responses(file: MeasuredFile) -> dict[str, dict[str, int]]:
    return {kind: {verdict: n for verdict, (n, _) in verdicts.items()} for kind, verdicts in file.counts.items()}


class _Rates:
    """Share that the other scorer calls right, by kind and verdict; each family counts alike."""

    def __init__(self, files: Sequence[MeasuredFile]) -> None:
        of_family: dict[str, int] = defaultdict(int)
        for file in files:
            of_family[file.family] += 1
        self.seen: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
        self.over_kinds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for file in files:
            for kind, verdicts in file.counts.items():
                for verdict, counts in verdicts.items():
                    for k, count in enumerate(counts):
                        self.seen[kind, verdict][k] += count / of_family[file.family]
                        self.over_kinds[verdict][k] += count / of_family[file.family]

    def score(self, counts: Mapping[str, Mapping[str, int]]) -> float:
        total = sum(n for verdicts in counts.values() for n in verdicts.values())
        parts = [n * self._rate(kind, verdict) for kind, row in counts.items() for verdict, n in row.items()]
        return 100 * math.fsum(parts) / total

    def _rate(self, kind: str, verdict: str) -> float:
        n, right = self.over_kinds.get(verdict, (0.0, 0.0))
        base = right / n if n else 0.5
        n, right = self.seen.get((kind, verdict), (0.0, 0.0))
        return (right + _LEAN * base) / (n + _LEAN)
