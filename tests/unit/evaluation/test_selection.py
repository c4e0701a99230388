"""Which checkpoint is the best, and what a choice that cannot be made says."""

import json
from pathlib import Path

import pytest

from vr1repro.core.errors import UserError
from vr1repro.evaluation.scores import Score
from vr1repro.evaluation.selection import Candidate, best_of, read_candidate


def candidate(step: int, *scores: float) -> Candidate:
    return Candidate(slug=f"a_s1_stage1_step{step}", step=step, scores=dict(zip(("x", "y"), scores, strict=True)))


@pytest.mark.parametrize(
    ("candidates", "step"),
    [
        ([candidate(1, 50, 60), candidate(2, 40, 50)], 1),
        ([candidate(1, 90, 10), candidate(2, 40, 70)], 2),  # the mean over benchmarks, not the best on one
        ([candidate(1, 50, 60), candidate(2, 60, 50)], 2),  # equals: the later
        ([candidate(2, 60, 50), candidate(1, 50, 60)], 2),
    ],
)
def test_the_highest_mean_is_the_best(candidates: list[Candidate], step: int) -> None:
    assert best_of(candidates).step == step


def test_scores_are_those_of_one_seed_under_protocol_single(tmp_path: Path) -> None:
    def score(value: float) -> dict[str, object]:
        parts = {"group": "overall", "name": "all", "n": 4, "n_right": 1, "n_undecided": 0}
        return {"figures": Score(**parts, value=value, low=value, high=value).model_dump(), "sha256": "0"}

    summary = {"single/e1/rule": score(25.0), "single/e1/official": score(30.0), "single/e2/rule": score(50.0)}
    summary |= {"paper/e1/rule": score(75.0)}
    path = tmp_path / "a_s1" / "x" / "verdicts.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(summary))
    assert read_candidate(tmp_path, "a_s1", 4, ["x"], 1, "rule").scores == {"x": 25.0}
    with pytest.raises(UserError, match=r"x/verdicts\.json: has no scores of single/e3/rule"):
        read_candidate(tmp_path, "a_s1", 4, ["x"], 3, "rule")
    with pytest.raises(UserError, match=r"y/verdicts\.json: has no scores"):
        read_candidate(tmp_path, "a_s1", 4, ["x", "y"], 1, "rule")
