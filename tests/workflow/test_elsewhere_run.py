"""A fine-tuning by LLaMA-Factory in the workflow: trained by its own launcher, adopted, evaluated beside ours."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from killing import killed
from smoke_workflow import Workflow
from waiting import wait_until

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.provenance import read_manifest
from vr1repro.handover.engines import ENGINES, environment
from vr1repro.handover.names import CHECKPOINTS
from vr1repro.jobs.elsewhere import EXPORT

pytestmark = pytest.mark.verify


@pytest.fixture(autouse=True)
def llama_factory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment, or no test."""
    try:
        folder = environment(ENGINES["llama-factory"])
    except UserError as missing:
        pytest.skip(str(missing))
    monkeypatch.setenv("VR1REPRO_LLAMAFACTORY", str(folder))


def handing_over(run: Workflow, tmp_path: Path) -> Workflow:
    """A copy of a finished run, whose config has a further start that LLaMA-Factory fine-tunes."""
    values = yaml.safe_load((run.repo / "config" / f"{run.config}.yaml").read_text())
    values["starts"]["ci-elsewhere"] = {"model": "tiny", "sft": "chains", "engine": "llama-factory"}
    values["arms"]["ci-elsewhere"] = {"label": "CI by LLaMA-Factory", "start": "ci-elsewhere"}
    values["run_arms"] = ["base", "ci", "ci-elsewhere"]
    if run.config == "smoke":  # a checkpoint to be killed at
        values["sft"]["launch"]["save_every"] = 1
    values["lengths"] = None
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    workflow = replace(run, folder=tmp_path / "run", overrides=("--configfile", str(tmp_path / "c.yaml")))
    for name in ("results", ".snakemake"):
        shutil.copytree(run.folder / name, workflow.folder / name, symlinks=True)
    return workflow


def losses_of(workflow: Workflow, start: str) -> list[float]:
    """The loss of every step of a fine-tuning."""
    return [row["loss"] for _, row in read_lines(workflow.root / "train" / start / "s1" / "sft" / "steps.jsonl")]


@pytest.mark.parametrize("finished", ["smoke", "micro_run"])
def test_a_start_by_llama_factory_is_trained_adopted_and_evaluated(
    finished: str, request: pytest.FixtureRequest, tmp_path: Path, reference_file: Callable[[str], Path]
) -> None:
    run: Workflow = request.getfixturevalue(finished)
    workflow = handing_over(run, tmp_path)
    workflow.finish()
    sft = {start: workflow.root / "train" / start / "s1" / "sft" for start in ("ci", "ci-elsewhere")}
    assert "LLaMA-Factory 0.9.5: executed" in (workflow.root / "logs/train/ci-elsewhere/s1/sft.log").read_text()
    # The same rows in the same order by the same values: the losses are equal, in the first epoch. Of several, every
    # one has the first one's order there and another one here.
    losses = {start: losses_of(workflow, start) for start in sft}
    epochs = yaml.safe_load((tmp_path / "c.yaml").read_text())["sft"]["epochs"]
    first = len(losses["ci"]) // epochs
    assert len(losses["ci-elsewhere"]) == len(losses["ci"]) > 0
    assert losses["ci-elsewhere"][:first] == pytest.approx(losses["ci"][:first], rel=1e-4)
    made = read_manifest(sft["ci-elsewhere"])["content"]
    assert made["inputs"] == read_manifest(sft["ci"])["content"]["inputs"]
    # Evaluated and reported as every arm, and the page says who trained it.
    for slug in ("ci_s1", "ci-elsewhere_s1"):
        assert list((workflow.root / "eval" / slug).glob("*/verdicts.json"))
    right = {slug: right_of(workflow, slug) for slug in ("base_s0", "ci_s1", "ci-elsewhere_s1")}
    assert right["ci-elsewhere_s1"].keys() == right["ci_s1"].keys()
    pairs = zip(losses["ci"][:first], losses["ci-elsewhere"][:first], strict=True)
    record = {
        "engine": f"{ENGINES['llama-factory'].title} {ENGINES['llama-factory'].version}",
        "run": run.config,
        "steps": len(losses["ci"]),
        "of_which_in_the_first_epoch": first,
        "largest_relative_difference_of_losses": max(abs(ours - theirs) / ours for ours, theirs in pairs),
        "right_of": right,
    }
    place = reference_file(f"results/reference/verify/llama-factory-{run.config}.json")
    place.write_text(json.dumps(record, indent=1) + "\n")
    tables = (workflow.root / "report" / "tables.html").read_text()
    assert "What was trained by other engines" in tables
    assert "llama-factory 0.9.5" in tables


def test_killed_in_training_and_after_it_goes_on(smoke: Workflow, tmp_path: Path) -> None:
    workflow = handing_over(smoke, tmp_path)
    out = workflow.root / "train" / "ci-elsewhere" / "s1" / "sft"
    made = out / EXPORT / CHECKPOINTS
    words = ["stage", "elsewhere", "--config", str(tmp_path / "c.yaml"), "--start", "ci-elsewhere", "--seed", "1"]

    def started() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "vr1repro", *words, "--out", str(out.relative_to(workflow.folder))],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=workflow.folder,
            env=workflow.environment, start_new_session=True,
        )  # fmt: skip

    # In its training, with a checkpoint of its own; and when it has ended and nothing was taken back.
    for mark in ("checkpoint-1/trainer_state.json", "trainer_state.json"):
        process = started()
        wait_until(lambda: process.poll() is not None or (made / mark).exists(), mark)  # noqa: B023
        assert killed(process), process.stderr and process.stderr.read()[-3000:]
        assert not (out / "manifest.json").exists()
    last = started()
    _, errors = last.communicate()
    assert last.returncode == 0, errors[-3000:]
    assert losses_of(workflow, "ci-elsewhere") == pytest.approx(losses_of(workflow, "ci"), rel=1e-4)


def right_of(workflow: Workflow, slug: str) -> dict[str, list[int]]:
    """By benchmark: right answers by the rule and questions, over the evaluation's seeds."""
    counts = {}
    for folder in sorted((workflow.root / "eval" / slug).iterdir()):
        rows = [row for path in folder.glob("single/e?/verdicts/rule.jsonl") for _, row in read_lines(path)]
        if rows:
            counts[folder.name] = [sum(row["correct"] for row in rows), len(rows)]
    return counts
