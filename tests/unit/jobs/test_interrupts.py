"""Ctrl-C ends a workflow with one line, and a second head is told of `vr1repro recover`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import heed_interrupts, wait_until

from vr1repro.jobs.interrupts import STOPPED

# A job that waits until somebody writes to it.
SNAKEFILE = """
from vr1repro.jobs import interrupts

interrupts.begin(workflow)


rule all:
    input:
        "out.txt",


rule wait:
    output:
        "out.txt",
    shell:
        "mkfifo door; read line < door; echo $line > {output}"
"""


@pytest.mark.slow
def test_a_stopped_start_ends_with_one_line_and_a_second_one_is_told_who_knows(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    environment = {**os.environ, "PYTHONPATH": str(repo)}
    first = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    try:
        wait_until(lambda: (tmp_path / "door").exists() or first.poll() is not None, "the job's start")
        second = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode != 0
        assert "directory locked" in second.stderr
        assert "`vr1repro recover`" in second.stderr
        assert "--unlock" not in second.stderr
        assert first.poll() is None  # the second has harmed nobody
        os.killpg(first.pid, signal.SIGINT)  # what a terminal does: workflow and job alike
        output, _ = first.communicate()
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    assert first.returncode != 0
    assert output.splitlines()[-1] == STOPPED
    for word in ("Error", "Exception", "exit status", "Traceback"):
        assert word not in output
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.slow
def test_a_job_that_fails_by_itself_is_still_an_error(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("mkfifo door; read line < door", "exit 3"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(repo)},
    )  # fmt: skip
    assert done.returncode != 0
    assert "Error in rule wait" in done.stderr
    assert STOPPED not in done.stderr
