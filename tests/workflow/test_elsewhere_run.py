"""A fine-tuning by LLaMA-Factory in the workflow: trained by its own launcher, adopted, evaluated beside ours."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from smoke_workflow import Workflow

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.provenance import read_manifest
from vr1repro.handover.engines import ENGINES, environment

pytestmark = pytest.mark.verify


@pytest.mark.parametrize("finished", ["smoke", "micro_run"])
def test_a_start_by_llama_factory_is_trained_adopted_and_evaluated(
    finished: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference_file: Callable[[str], Path],
) -> None:
    try:
        folder = environment(ENGINES["llama-factory"])
    except UserError as missing:
        pytest.skip(str(missing))
    monkeypatch.setitem(os.environ, "VR1REPRO_LLAMAFACTORY", str(folder))
    run: Workflow = request.getfixturevalue(finished)
    values = yaml.safe_load((run.repo / "config" / f"{run.config}.yaml").read_text())
    values["starts"]["ci-elsewhere"] = {"model": "tiny", "sft": "chains", "engine": "llama-factory"}
    values["arms"]["ci-elsewhere"] = {"label": "CI by LLaMA-Factory", "start": "ci-elsewhere"}
    values["run_arms"] = ["base", "ci", "ci-elsewhere"]
    values |= {"lengths": None}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    workflow = replace(run, folder=tmp_path / "run", overrides=("--configfile", str(tmp_path / "c.yaml")))
    shutil.copytree(run.folder / "results", workflow.folder / "results", symlinks=True)
    shutil.copytree(run.folder / ".snakemake", workflow.folder / ".snakemake", symlinks=True)
    workflow.finish()
    sft = {start: workflow.root / "train" / start / "s1" / "sft" for start in ("ci", "ci-elsewhere")}
    assert "LLaMA-Factory 0.9.5: executed" in (workflow.root / "logs/train/ci-elsewhere/s1/sft.log").read_text()
    # The same rows in the same order by the same values: the losses are equal.
    losses = {start: [row["loss"] for _, row in read_lines(folder / "steps.jsonl")] for start, folder in sft.items()}
    assert losses["ci-elsewhere"] == pytest.approx(losses["ci"], rel=1e-3)
    assert losses["ci"]
    made = read_manifest(sft["ci-elsewhere"])["content"]
    assert made["inputs"] == read_manifest(sft["ci"])["content"]["inputs"]
    # Evaluated and reported as every arm, and the page says who trained it.
    for slug in ("ci_s1", "ci-elsewhere_s1"):
        assert list((workflow.root / "eval" / slug).glob("*/verdicts.json"))
    right = {slug: right_of(workflow, slug) for slug in ("base_s0", "ci_s1", "ci-elsewhere_s1")}
    assert right["ci-elsewhere_s1"].keys() == right["ci_s1"].keys()
    pairs = zip(losses["ci"], losses["ci-elsewhere"], strict=True)
    record = {
        "engine": f"{ENGINES['llama-factory'].title} {ENGINES['llama-factory'].version}",
        "run": run.config,
        "steps": len(losses["ci"]),
        "largest_relative_difference_of_losses": max(abs(ours - theirs) / ours for ours, theirs in pairs),
        "right_of": right,
    }
    place = reference_file(f"results/reference/verify/llama-factory-{run.config}.json")
    place.write_text(json.dumps(record, indent=1) + "\n")
    tables = (workflow.root / "report" / "tables.html").read_text()
    assert "What was trained by other engines" in tables
    assert "llama-factory 0.9.5" in tables


def right_of(workflow: Workflow, slug: str) -> dict[str, list[int]]:
    """By benchmark: right answers by the rule and questions, over the evaluation's seeds."""
    counts = {}
    for folder in sorted((workflow.root / "eval" / slug).iterdir()):
        rows = [row for path in folder.glob("single/e?/verdicts/rule.jsonl") for _, row in read_lines(path)]
        if rows:
            counts[folder.name] = [sum(row["correct"] for row in rows), len(rows)]
    return counts
