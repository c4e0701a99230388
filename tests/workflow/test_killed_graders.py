"""A run with its extractor and judge behind a server of the test: killed in each, resumed, counted there."""

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from held_grader import HeldGrader, kind_of
from smoke_workflow import Workflow
from waiting import wait_until

from vr1repro.config.graders import ScriptedGrader
from vr1repro.core.jsonl import read_lines
from vr1repro.lab.grader import MODEL, serve

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(3600)]

# Two checkpoints stand for all: the start of an arm, which answers without tags, and its end.
CHECKPOINTS = ("ci_s1", "vision-r1_s1")
BENCHMARKS = ("mathvista", "mathverse", "mmmath")


def targets(workflow: Workflow) -> list[str]:
    """What closes the verdicts of the two checkpoints."""
    root = workflow.root.relative_to(workflow.folder)
    return [f"{root}/eval/{slug}/{name}/verdicts.json" for slug in CHECKPOINTS for name in BENCHMARKS]


def below(workflow: Workflow, pattern: str) -> list[Path]:
    """Files of the two checkpoints."""
    return [path for slug in CHECKPOINTS for path in workflow.root.glob(f"eval/{slug}/{pattern}")]


def ledgers(workflow: Workflow) -> list[Path]:
    """Ledgers of replies; what an endpoint's client keeps for itself until they are taken is none."""
    return [path for path in below(workflow, "*/llm/*.jsonl") if not path.stem.endswith(".replies")]


def kept(workflow: Workflow) -> int:
    """Whole rows of all ledgers."""
    return sum(path.read_bytes().count(b"\n") for path in ledgers(workflow))


def kill_in(workflow: Workflow, grader: HeldGrader, kind: str) -> None:
    """Start the workflow, and kill it and its jobs with -9 while replies of a kind are held back."""
    grader.shut(kind, after=5)
    process = subprocess.Popen(
        workflow.command(*targets(workflow)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=workflow.environment, cwd=workflow.source, start_new_session=True,
    )  # fmt: skip
    try:
        # All that it was answered is kept, and it waits for the next replies.
        wait_until(
            lambda: process.poll() is not None or (grader.held and kept(workflow) == len(grader.answered)),
            f"replies to {kind} that are held back",
        )
        assert process.poll() is None, f"the workflow ended before it asked to {kind}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        grader.open()
    shutil.rmtree(workflow.folder / ".snakemake" / "locks")  # what `vr1repro recover` does, without a start of Python


@pytest.mark.parametrize("finished", ["smoke", "micro_run"])
def test_killed_in_extraction_and_judging_and_resumed(
    finished: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    run: Workflow = request.getfixturevalue(finished)
    for name in ("vr1repro", "workflow", "config", "envs"):
        shutil.copytree(run.repo / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(run.repo / "Snakefile", tmp_path / "copy")
    workflow = replace(run, folder=tmp_path / "run", package=tmp_path / "copy")
    shutil.copytree(run.folder, workflow.folder, symlinks=True)
    verdicts = {path: path.read_bytes() for path in below(workflow, "**/verdicts/*.jsonl")}
    for folder in below(workflow, "*/llm"):
        shutil.rmtree(folder)

    path = tmp_path / "copy" / "config" / f"{run.config}.yaml"
    values = yaml.safe_load(path.read_text())
    grader = HeldGrader(ScriptedGrader.model_validate(values["graders"]["llm"]))
    with serve(grader) as url:
        sampler = {"kind": "openai", "model": MODEL, "concurrency": 4}
        values["graders"]["llm"] = {"kind": "model", "model": url, "sampler": sampler}
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        for kind in ("extract", "judge"):
            kill_in(workflow, grader, kind)
        done = replace(workflow, warm=True).run(*targets(workflow))
        assert done.returncode == 0, done.stderr[-3000:]

    lost = len(grader.lost)
    assert {kind_of(prompt) for prompt in grader.lost} == {"extract", "judge"}
    assert len(grader.arrived) == kept(workflow) + lost
    for ledger in ledgers(workflow):
        keys = [row["key"] for _, row in read_lines(ledger)]
        assert len(keys) == len(set(keys))
    print(f"{len(grader.arrived)} requests at the server: {kept(workflow)} kept, {lost} in flight at the two kills")
    # The same script replied as in the run that nobody disturbed.
    assert {path: path.read_bytes() for path in verdicts} == verdicts
    again = workflow.run("-n", *targets(workflow))
    assert "Nothing to be done" in again.stdout + again.stderr
