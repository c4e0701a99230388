"""Killed with -9 and run again, a stage ends with the weights and the log of the undisturbed run, bit for bit."""

import json
import random
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from in_process import finish, start
from waiting import wait_until

from vr1repro.config.arms import Stage
from vr1repro.core.errors import UserError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

STEPS = 7


def work_of(kind: str, lab: SimpleNamespace, out: Path, **changes: Any) -> dict[str, Any]:
    launch = {"save_every": 2}
    if kind == "sft":
        settings = lab.config.sft
        settings = settings.model_copy(update={"batch": 4, "device_batch": 2, "epochs": STEPS / 4,
                                               "launch": settings.launch.model_copy(update=launch)})  # fmt: skip
        return {"kind": kind, "args": (settings, lab.model, lab.coldset, "chains", 1, 1, out)}
    settings = lab.config.rl
    settings = settings.model_copy(update={"launch": settings.launch.model_copy(update=launch), **changes})
    job = {"arm": "vision-r1", "number": 2, "stage": Stage(max_tokens=6, group=4, steps=STEPS), "first_step": 10,
           "kept_steps": [13, 17], "skip_prompts": 3, "system_prompt": None, "seed": 1}  # fmt: skip
    reward = lab.config.rewards["format-and-result"]
    return {"kind": kind, "job": job, "args": (settings, reward, lab.model, lab.model, lab.problems, 1, out)}


def lines(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def kill(process: subprocess.Popen[bytes], errors: Path, out: Path, step: int, in_a_save: bool) -> None:
    """Kill with -9 once a step is logged: at once, in the middle of the next, or when a save begins or ends."""

    def saves() -> set[str]:
        return {path.name for path in (out / "resume").iterdir()}

    def ended() -> bool:
        return process.poll() is not None

    wait_until(lambda: ended() or lines(out / "steps.jsonl") >= step, f"step {step}", every_s=0.005)
    if in_a_save:
        before = saves()
        wait_until(lambda: ended() or saves() != before, f"a save after step {step}", every_s=0.001)
    assert not ended(), errors.read_text()[-3000:]
    process.send_signal(signal.SIGKILL)
    process.wait()


def evidence(out: Path) -> dict[str, bytes]:
    wanted = {"steps.jsonl", "model.safetensors"}
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.name in wanted}


@pytest.mark.parametrize(
    ("kind", "kills", "changes"),
    [
        ("sft", 1, {}),
        ("rl", 1, {}),
        pytest.param(
            "rl", 3, {"share_prefix": False, "pack": False, "updates_per_rollout": 2}, marks=pytest.mark.verify
        ),
        pytest.param("sft", 3, {}, marks=pytest.mark.verify),
        pytest.param("rl", 4, {}, marks=pytest.mark.verify),
    ],
)
def test_kill_9_and_again_is_the_undisturbed_run(
    lab: SimpleNamespace, tmp_path: Path, kind: str, kills: int, changes: dict[str, Any]
) -> None:
    undisturbed = work_of(kind, lab, tmp_path / "a", **changes)
    finish(undisturbed, tmp_path / "work-a")

    disturbed = work_of(kind, lab, tmp_path / "b", **changes)
    log = tmp_path / "b" / "steps.jsonl"
    # Before the last save, so that one is still to come after each of these steps.
    for number, step in enumerate(sorted(random.Random(kills).sample(range(2, STEPS - 1), kills))):
        process = start(disturbed, tmp_path / "work-b")
        kill(process, tmp_path / "work-b" / "errors.txt", tmp_path / "b", step, in_a_save=number % 2 == 0)
        log.unlink()  # the workflow removes a failed job's outputs
    finish(disturbed, tmp_path / "work-b")

    assert len(evidence(tmp_path / "a")) == (3 if kind == "rl" else 2)
    assert evidence(tmp_path / "b") == evidence(tmp_path / "a")
    assert not (tmp_path / "b" / "resume").exists()
    # It went on, it did not only begin again: the last start took fewer steps than there are.
    timing = [json.loads(line)["step"] for line in (tmp_path / "b" / "timing.jsonl").read_text().splitlines()]
    assert timing == [json.loads(line)["step"] for line in (tmp_path / "a" / "timing.jsonl").read_text().splitlines()]


def checkpoint(out: Path, step: int) -> Path:
    folder = out / "resume" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("steps.jsonl", "timing.jsonl"):
        (folder / name).write_text(f"{step}\n")
    return folder


def test_what_a_job_goes_on_from(tmp_path: Path) -> None:
    from vr1repro.training import resume

    out, module = tmp_path / "out", "vr1repro.training.sft"
    assert resume.prepare(out, module, {"a": 1}, {}) is None
    older, newer = checkpoint(out, 2), checkpoint(out, 10)
    (out / "resume" / ".partial").mkdir()  # a save that was cut off
    assert resume.prepare(out, module, {"a": 1}, {}) == newer
    assert (out / "steps.jsonl").read_text() == "10\n"
    (out / "step5").mkdir()
    assert resume.prepare(out, module, {"a": 1}, {}, {5: out / "step5", 12: out / "step12"}) == newer
    assert older.exists()
    assert resume.prepare(out, module, {"a": 1}, {}, {4: out / "step4"}) is None  # a product is gone: from the start
    checkpoint(out, 2)
    assert resume.prepare(out, module, {"a": 2}, {}) is None  # another job
    assert list((out / "resume").iterdir()) == [out / "resume" / "job.json"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("PytorchStreamWriter failed")])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, error: Exception) -> None:
    from vr1repro.training.resume import writing

    folder = tmp_path / "aside"
    folder.mkdir()
    (folder / "model.safetensors").write_text("half")
    with pytest.raises(UserError, match=r"cannot be written.*make room"), writing(folder):
        raise error
    assert not folder.exists()  # it takes up what room there is


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    from vr1repro.training.resume import writing

    with pytest.raises(RuntimeError, match="shape"), writing(tmp_path):
        raise RuntimeError("shape mismatch")


def test_one_process_works_on_a_training_and_its_further_ranks_do_not_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vr1repro.training.resume import alone

    with alone(tmp_path / "stage1"):
        with pytest.raises(UserError, match=r"another process is working on this training \(process"):
            alone(tmp_path / "stage1")
        monkeypatch.setenv("RANK", "1")
        with alone(tmp_path / "stage1"):
            pass
    assert list(tmp_path.iterdir()) == []
