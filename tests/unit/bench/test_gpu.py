"""What a GPU will run, run small on a CPU: the scripts' own processes, figures and refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def run(repo: Path, *arguments: str, code: int = 0) -> str:
    environment = {**os.environ, "PYTHONPATH": str(repo), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(repo / "bench" / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == code, done.stderr[-4000:]
    return done.stdout if code == 0 else done.stderr


@pytest.mark.timeout(900)
def test_one_real_step_and_one_evaluation(repo: Path, tmp_path: Path) -> None:
    out = tmp_path / "stage.json"
    run(repo, "gpu_step.py", "--stage", "--size", "tiny", "--prompts", "2", "--group", "4", "--response", "8",
        "--questions", "3", "--rounds", "1", "--out", str(out))  # fmt: skip
    record = json.loads(out.read_text())
    assert (record["gpus"], record["device"], record["sampler"]) == (0, "CPU", "transformers")
    stage = record["stage"]
    assert stage["completions"] == 8
    assert [step["step"] for step in stage["steps"]] == [1, 2]
    for step in stage["steps"]:
        assert 0 < step["mean_completion"] <= 8
        completion_tokens = 8 * step["mean_completion"]
        assert step["tokens"] > 2 * completion_tokens  # prompts are longer, and count once a completion
        assert step["tokens_per_second_and_gpu"] == pytest.approx(step["tokens"] / step["seconds"])
        assert set(step["seconds_by_phase"]) == {"generate", "reward", "log_probs", "update"}
        assert step["passes_without_gradients"] == 1  # the reference's: one update a rollout needs no old ones
        assert not any(step["mfu_by_phase"].values())  # no data sheet of a CPU
    assert stage["peak_gib"] is None
    assert record["evaluation"]["questions"] == 3
    assert 0 < record["evaluation"]["completion_tokens"] <= 3 * 8
    assert {row["framework"] for row in record["published"]} == {"EasyR1 v0.3.2"}


def test_a_cpu_writes_no_record_of_a_gpu(repo: Path) -> None:
    refusals = [
        run(repo, "gpu_step.py", "--stage", "--size", "tiny", "--record", code=2),
        run(repo, "flash_attention.py", "--record", code=2),
    ]
    assert all("--record" in refusal and "here is no" in refusal.replace("none", "no GPU") for refusal in refusals)


def test_flash_kernels_are_compared_with_sdpa(repo: Path) -> None:
    figures: dict[str, Any] = json.loads(run(repo, "flash_attention.py", "--tokens", "8", "--rounds", "1"))
    assert figures["passed"]
    for row in figures["rows"].values():
        assert all(error < 1e-6 for error in row["errors"]["flash"].values())
