"""The literal command on a real Slurm: the same files as a local run, and the way back after kill -9."""

import os
import signal

import pytest
from cluster_run import QUICK, ClusterRun
from smoke_workflow import Workflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def coldset(run: ClusterRun | Workflow) -> dict[str, bytes]:
    """The cold set's deterministic files."""
    return {
        path.name: path.read_bytes()
        for pattern in ("*.jsonl", "*.parquet", "yield.json")
        for path in (run.root / "coldset").glob(pattern)
    }


def test_killed_head_orphans_recovery_and_the_same_cold_set(run: ClusterRun, smoke: Workflow) -> None:
    run.forget("coldset")
    head = run.start("coldset", *QUICK)
    run.until("bridge_shard", head)
    os.kill(head.pid, signal.SIGKILL)
    head.wait()

    # Snakemake's own lock speaks first, and names the way out; who only unlocks meets the orphans all the same.
    locked = run.run("coldset", *QUICK).stdout
    assert "directory locked" in locked
    assert "vr1repro recover" in locked
    unlocked = run.run("--unlock")
    assert unlocked.returncode == 0, unlocked.stdout
    refused = run.run("coldset", *QUICK)
    assert refused.returncode == 1
    assert "of an earlier start are in the queue" in refused.stdout
    assert "vr1repro recover" in refused.stdout
    assert "Traceback" not in refused.stdout

    recovered = run.vr1repro("recover")
    assert recovered.returncode == 0, recovered.stderr
    assert "cancelled 2 jobs" in recovered.stdout
    assert run.cluster.jobs("PENDING,RUNNING,COMPLETING") == {}
    assert run.vr1repro("recover").stdout.startswith("nothing to recover")

    done = run.run("coldset", *QUICK)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)
    ended = [comment for state, comment in run.cluster.jobs().values() if state == "COMPLETED"]
    assert sorted(ended) == [
        "rule_bridge_shard_wildcards_0", "rule_bridge_shard_wildcards_1", "rule_build_coldset",
    ]  # fmt: skip
    assert "Nothing to be done" in run.run("coldset", *QUICK).stdout


def test_a_second_head_is_refused(run: ClusterRun) -> None:
    run.forget("coldset")
    first = run.start("coldset", *QUICK)
    said = run.said
    run.until("bridge_shard", first)
    # Another config, so that Snakemake's own lock, which is on files, does not speak first.
    second = run.run("--config", "run=other", *QUICK)
    run.said = said
    assert second.returncode == 1
    assert "another snakemake submits jobs from this folder (process" in second.stdout
    assert "is at work here" in run.vr1repro("recover").stderr
    os.kill(first.pid, signal.SIGINT)  # what Ctrl-C does: jobs are cancelled
    assert run.end_of(first).returncode == 1
    assert run.vr1repro("recover").stdout.startswith("nothing to recover")
