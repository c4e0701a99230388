"""The longest batch before the first step, trackers: real runs of a few steps on the tiny model."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from vr1repro.config.arms import Stage
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import content_sha

pytestmark = pytest.mark.slow


def run(kind: str, lab: SimpleNamespace, out: Path, **launch: Any) -> Path:
    from vr1repro.training import grpo, sft

    if kind == "sft":
        settings = lab.config.sft
        changed = settings.model_copy(update={"launch": settings.launch.model_copy(update=launch)})
        sft.train(changed, lab.model, lab.coldset, "chains", 1, 1, out)
    else:
        job = grpo.StageJob(
            arm="a", number=1, stage=Stage(max_tokens=6, group=4, steps=2), first_step=0, kept_steps=[2],
            skip_prompts=0, system_prompt=None, seed=1,
        )  # fmt: skip
        changes = {"tokens_per_forward": 64, "launch": lab.config.rl.launch.model_copy(update=launch)}
        changed = lab.config.rl.model_copy(update=changes)
        reward = lab.config.rewards["format-and-result"]
        grpo.train(job, changed, reward, lab.model, lab.model, lab.problems, 1, out)
    return out


@pytest.mark.parametrize("kind", ["sft", "rl"])
def test_a_rehearsal_says_what_it_tried_and_changes_nothing(
    lab: SimpleNamespace, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rehearsed = run(kind, lab, tmp_path / "a", rehearse=True)
    printed = capsys.readouterr().out
    assert ("4 completions of 6 tokens behind a prompt of" if kind == "rl" else "rows of") in printed
    plain = run(kind, lab, tmp_path / "b", rehearse=False)
    assert "longest legal batch" not in capsys.readouterr().out
    assert content_sha(rehearsed) == content_sha(plain)


@pytest.mark.parametrize(("kind", "advice"), [("sft", "sft.device_batch"), ("rl", "rl.tokens_per_forward")])
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_batch_that_does_not_fit_ends_the_job_before_its_first_step(
    lab: SimpleNamespace, tmp_path: Path, kind: str, advice: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import Accelerator

    def backward(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(Accelerator, "backward", backward)
    with pytest.raises(UserError, match=rf"longest legal batch.*does not fit in memory: lower {advice}"):
        run(kind, lab, tmp_path / "a", rehearse=True)
    log = tmp_path / "a" / "steps.jsonl"
    assert not log.exists() or not log.read_text()


def test_another_error_is_not_taken_for_memory(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import Accelerator

    def backward(*_: Any, **__: Any) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Accelerator, "backward", backward)
    with pytest.raises(RuntimeError, match="a defect"):
        run("sft", lab, tmp_path / "a", rehearse=True)


def test_tensorboard_gets_the_logs(lab: SimpleNamespace, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = run("sft", lab, tmp_path / "a", trackers=["tensorboard"])
    (events,) = out.rglob("events.out.tfevents.*")
    accumulator = reader.EventAccumulator(str(events)).Reload()
    losses = [event.value for event in accumulator.Scalars("train/loss")]
    logged = [json.loads(line)["loss"] for line in (out / "steps.jsonl").read_text().splitlines()]
    assert losses == pytest.approx(logged, rel=1e-5)


def test_a_tracker_that_is_not_there_is_one_line(lab: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"launch\.trackers: trackio is not installed"):
        run("sft", lab, tmp_path / "a", trackers=["trackio"])
