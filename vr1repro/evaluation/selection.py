"""Choose the best of an arm's last checkpoints by its scores on the benchmarks (v4 App. A, Tables 5 and 6)."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object
from vr1repro.evaluation.scores import Score

PROTOCOL = "single"  # one sample a question decides


class Candidate(BaseModel):
    """A checkpoint that could be chosen.

    Attributes:
        slug: Its folder under eval/.
        step: Counted over the arm.
        scores: Percent right by benchmark.
    """

    slug: str
    step: int
    scores: dict[str, float]

    @property
    def mean(self) -> float:
        """What decides."""
        return sum(self.scores.values()) / len(self.scores)


class Selection(BaseModel):
    """The best checkpoint of one arm and training seed; the content of `selected.json`.

    Attributes:
        eval_seed: Evaluation seed of the scores.
        profile: Scoring profile of the scores.
        candidates: In the order of their steps; the last is the arm's end.
        selected: Slug of the best.
    """

    arm: str
    train_seed: int
    eval_seed: int
    protocol: str = PROTOCOL
    profile: str
    candidates: list[Candidate]
    selected: str

    @property
    def best(self) -> Candidate:
        """The chosen one."""
        return next(candidate for candidate in self.candidates if candidate.slug == self.selected)

    @property
    def last(self) -> Candidate:
        """The arm's end."""
        return self.candidates[-1]


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """The candidate of the highest mean; of equals the later one."""
    return max(candidates, key=lambda candidate: (candidate.mean, candidate.step))


def read_candidate(
    evaluated: Path, slug: str, step: int, benchmarks: Sequence[str], seed: int, profile: str
) -> Candidate:
    """A candidate with its scores, from the summaries of its gradings.

    Args:
        evaluated: Folder `eval` of the run.
        slug: Its folder there.
        step: Counted over the arm.
        benchmarks: What it is compared on.
        seed: Evaluation seed.
        profile: Scoring profile.

    Raises:
        UserError: It was not graded on one of them.
    """
    scores, name = {}, f"{PROTOCOL}/e{seed}/{profile}"
    for benchmark in benchmarks:
        path = evaluated / slug / benchmark / "verdicts.json"
        summary = json_object(path) if path.exists() else {}
        if name not in summary:
            raise UserError(f"{path}: has no scores of {name}; grade the candidate, or see selection.benchmarks")
        score = Score.model_validate(summary[name]["figures"])
        if score.value is None:
            raise UserError(f"{path}: no response of {name} has a verdict; choose by another profile")
        scores[benchmark] = 100 * score.value / score.maximum
    return Candidate(slug=slug, step=step, scores=scores)
