"""The job that chooses a checkpoint, and the evaluation of one whose weights went with the choice."""

import json
from pathlib import Path

import pytest

from vr1repro.config.loader import load
from vr1repro.config.plan import Plan
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import content_sha, is_left, write_manifest
from vr1repro.evaluation.selection import Selection
from vr1repro.jobs import evaluate, select

ARM, PASSING = "ptst-4kx16-4kx16", "ptst-4kx16-4kx16_s1_stage2_step3"


@pytest.fixture
def config(repo: Path) -> Path:
    return repo / "config" / "smoke.yaml"


@pytest.fixture
def run(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A run whose two candidates are trained and graded; the one on the way is the better."""
    monkeypatch.chdir(tmp_path)
    plan = Plan(load(config))
    for checkpoint in plan.candidate_checkpoints(ARM, 1):
        weights = Path(plan.checkpoint_model(checkpoint))
        weights.mkdir(parents=True)
        (weights / "model.safetensors").write_text(checkpoint.slug)
        write_manifest(weights, "model", {"step": checkpoint.step}, {})
        for slug in plan.benchmarks(checkpoint):
            value = 60.0 if checkpoint.passing else 40.0
            parts = {"group": "overall", "name": "all", "n": 5, "n_right": 3, "n_undecided": 0, "low": 0, "high": 100}
            folder = Path(plan.root) / "eval" / checkpoint.slug / slug
            folder.mkdir(parents=True)
            summary = {"single/e1/rule": {"sha256": "0", "figures": {**parts, "value": value}}}
            (folder / "verdicts.json").write_text(json.dumps(summary))
    return plan


def test_the_best_is_named_and_only_passing_weights_go(run: Plan, config: Path) -> None:
    out = Path(run.selected(ARM, 1))
    passing, end = (Path(run.checkpoint_model(checkpoint)) for checkpoint in run.candidate_checkpoints(ARM, 1))
    sha = content_sha(passing)
    for _again in range(2):  # a job that was killed after it had deleted runs once more
        select.run(config, out, ARM, 1)
        selection = Selection.model_validate_json(out.read_text())
        assert (selection.best.slug, selection.best.step, selection.best.mean) == (PASSING, 3, 60.0)
        assert (selection.last.slug, selection.last.mean) == (f"{ARM}_s1", 40.0)
        assert is_left(passing)
        assert content_sha(passing) == sha
        assert (end / "model.safetensors").exists()


def test_weights_that_went_are_asked_for_by_what_would_make_them(run: Plan, config: Path) -> None:
    select.run(config, Path(run.selected(ARM, 1)), ARM, 1)
    for slug in run.config.evaluation.benchmarks:
        folder = Path(run.problems(slug))
        folder.mkdir(parents=True)
        assert run.config.lab is not None
        from vr1repro.lab.benchmarks import write_benchmark

        write_benchmark(run.config.lab.world, slug, 1, 1, folder)
    stage = f"results/smoke/train/{ARM}/s1/stage2"
    with pytest.raises(UserError, match=rf"candidates/step3: its weights went .* --config remake={stage}$"):
        evaluate.run(config, Path(run.root) / "eval" / PASSING, PASSING)
