"""All twelve arms, both protocols and best checkpoints: micro's arms at smoke's size, through the workflow."""

import csv
import json
from pathlib import Path

import pytest
import yaml
from smoke_workflow import Workflow

from vr1repro.config import loader
from vr1repro.config.plan import Plan

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def config(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smoke's config with the arms of micro, a tenth as long; each that has stages chooses its best checkpoint."""
    smoke, micro = (yaml.safe_load((repo / "config" / f"{name}.yaml").read_text()) for name in ("smoke", "micro"))
    arms = micro["arms"]
    for arm in arms.values():
        for stage in arm.get("stages", []):
            stage |= {"max_tokens": max(8, stage["max_tokens"] // 10), "steps": 2}
        arm["system_prompt"] = smoke["arms"]["zero"]["system_prompt"] if "system_prompt" in arm else None
        if arm.get("stages"):
            arm["select"] = "best_on_benchmarks"
    smoke |= {"run": "all-arms", "arms": arms, "run_arms": list(arms)}
    smoke["evaluation"]["protocols"] = ["single", "paper"]
    path = tmp_path_factory.mktemp("all-arms") / "all-arms.yaml"
    path.write_text(yaml.safe_dump(smoke, sort_keys=False), encoding="utf-8")
    return path


def test_all_arms_from_problems_to_report(repo: Path, config: Path) -> None:
    checked = loader.load(config)
    assert len(checked.run_arms) == 12
    workflow = Workflow(repo, config.parent, warm=True, overrides=("--configfile", str(config), "--cores", "2"))
    done = workflow.run()
    assert done.returncode == 0, done.stderr[-4000:]
    plan = Plan(checked)
    root = config.parent / plan.root
    for arm in checked.run_arms:
        for checkpoint in plan.final_checkpoints(arm):
            summary = json.loads((root / "eval" / checkpoint.slug / "responses.json").read_text())
            assert {name.split("/")[-2] for name in summary} == {"single", "paper"}, checkpoint.slug
        if checked.arms[arm].stages:
            selected = json.loads((config.parent / plan.selected(arm, 1)).read_text())
            assert len(selected["candidates"]) == 2, arm
            for candidate in plan.candidate_checkpoints(arm, 1):
                weights = list((config.parent / plan.checkpoint_model(candidate)).glob("*.safetensors"))
                assert bool(weights) != candidate.passing, "a candidate's weights go when it is graded"
    for table in ("t5", "t6"):
        with (root / "tables" / f"{table}.csv").open(encoding="utf-8") as file:
            assert [row["method"] for row in csv.DictReader(file) if not row["ours"]] == []
    assert (root / "report" / "index.html").exists()
