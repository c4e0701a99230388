"""What a user gets wrong: one line that names it, exit code 2, no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "--model", "nowhere", "--out", "o"], "nowhere: not a folder, and not owner/name@"),
        (["evaluate", "--model", "a/b@" + "0" * 40, "--benchmarks", "mathvista", "--out", "o"],
         "cannot be fetched from the hub"),
        (["evaluate", "--model", ".", "--benchmarks", "mathvista,nosuch", "--out", "o"], "unknown nosuch"),
        (["evaluate", "--model", ".", "--data", "mathvista", "--out", "o"], "must be SLUG=PATH"),
        (["grade", "--benchmark", "mathvista", "--responses", "r", "--questions", "q", "--out", "o"],
         "q: cannot be read"),
        (["evaluate", "--model", ".", "--engine-options", "{", "--out", "o"], "--engine-options: not JSON"),
        (["evaluate", "--model", ".", "--engine-options", '{"batch": 1}', "--out", "o"], "--engine-options: batch"),
        (["check", "none.yaml"], "none.yaml"),
        (["watch", "none"], "no training here yet"),
        (["keep", "--config", "none/config.yaml", "--out", "o"], "no finished run here"),
        (["redraw", "--reference", "none", "--out", "o"], "no kept run can be read here"),
    ],
)  # fmt: skip
def test_one_clear_line(tmp_path: Path, words: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *words], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
