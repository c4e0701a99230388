"""Two CPU processes (gloo) against one: the same effective batch, hence the same losses."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_process import finish

from vr1repro.config.arms import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "steps.jsonl").read_text().splitlines()]


def work_of(kind: str, lab: SimpleNamespace, out: Path, processes: int, fsdp: bool = False) -> dict[str, Any]:
    if kind == "sft":
        settings = lab.config.sft
        launch = settings.launch.model_copy(update={"processes": processes, "fsdp": fsdp})
        settings = settings.model_copy(update={"batch": 4, "device_batch": 2, "launch": launch})
        return {"kind": kind, "args": (settings, lab.model, lab.coldset, "chains", 1, 1, out)}
    settings = lab.config.rl
    launch = settings.launch.model_copy(update={"processes": processes, "fsdp": fsdp})
    settings = settings.model_copy(update={"prompts_per_step": 4, "launch": launch,
                                           "max_clipped_share": 1.0})  # fmt: skip
    job = {"arm": "vision-r1", "number": 1, "stage": Stage(max_tokens=8, group=4, steps=4), "first_step": 0,
           "kept_steps": [4], "skip_prompts": 0, "system_prompt": None, "seed": 1}  # fmt: skip
    args = (settings, lab.config.rewards["format-and-result"], lab.model, lab.model, lab.problems, 1, out)
    return {"kind": kind, "job": job, "args": args, "replay": True}


@pytest.mark.parametrize("kind", ["sft", "rl"])
def test_two_processes_have_the_losses_of_one(lab: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    runs = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}"
        finish(work_of(kind, lab, out, processes), tmp_path / f"work-{processes}", processes)
        runs.append(losses(out))
    assert len(set(runs[0])) == 4
    assert runs[1] == pytest.approx(runs[0], rel=2e-3, abs=1e-5)


@pytest.mark.verify
@pytest.mark.parametrize("kind", ["sft", "rl"])
def test_two_sharded_processes_have_the_losses_of_one(lab: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    runs = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}"
        finish(work_of(kind, lab, out, processes, fsdp=processes > 1), tmp_path / f"work-{processes}", processes)
        runs.append(losses(out))
    assert runs[1] == pytest.approx(runs[0], rel=2e-3, abs=1e-5)
