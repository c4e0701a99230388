"""What happens to a cluster's users, done to the smoke run while it is on one: it ends with the same files."""

import os
import signal
from collections.abc import Callable

import pytest
from cluster_run import QUICK, ClusterRun, finished
from smoke_workflow import Workflow
from test_slurm_recovery import coldset
from waiting import wait_until

pytestmark = [pytest.mark.verify, pytest.mark.slow, pytest.mark.timeout(1800)]

BRIDGE = ("stage bridge",)


def forget_half(run: ClusterRun) -> None:
    """One of two shards is to be made, and what rests on it; the other is complete."""
    run.forget(
        "coldset/shards/0", *(f"coldset/{name}" for name in ("manifest.json", "content.sha256", "coldset.parquet"))
    )


def bridging(run: ClusterRun) -> list[int]:
    """Wait until a job bridges; its processes."""
    wait_until(lambda: run.processes(*BRIDGE), "a bridge process", evidence=lambda: run.said.read_text()[-1500:])
    return run.processes(*BRIDGE)


def cancel(run: ClusterRun, job: str) -> None:
    run.cluster.ask("scancel", job)


def kill(run: ClusterRun, job: str) -> None:
    for pid in run.processes(*BRIDGE):
        os.kill(pid, signal.SIGKILL)


def take_node_down(run: ClusterRun, job: str) -> None:
    node = run.cluster.ask("squeue", "-h", "-j", job, "-o", "%N")
    run.cluster.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_until(lambda: run.cluster.states()[node].startswith("down"), f"{node} is down", every_s=0.1)
    run.cluster.try_ask("scontrol", "update", f"nodename={node}", "state=resume")
    wait_until(lambda: run.cluster.states()[node].startswith(("idle", "mix", "alloc")), f"{node} resumes", every_s=0.1)


def restart_controller(run: ClusterRun, job: str) -> None:
    run.cluster.stop("slurmctld", signal.SIGTERM)  # it saves what it knows
    wait_until(lambda: "Slurm does not answer" in run.said.read_text(), "the head sees that it is away")
    run.cluster.start_controller()


def crash_controller(run: ClusterRun, job: str) -> None:
    run.cluster.stop("slurmctld", signal.SIGKILL)  # before it has saved the job, which is then unknown
    for path in (run.cluster.dir / "state").glob("job_state*"):
        path.unlink()
    run.cluster.start_controller()


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (cancel, "CANCELLED"),
        (kill, "FAILED"),
        (take_node_down, "NODE_FAIL"),
        (restart_controller, "COMPLETED"),
        (crash_controller, "COMPLETED"),
    ],
)
def test_a_fault_ends_with_the_same_files(
    run: ClusterRun, smoke: Workflow, fault: Callable[[ClusterRun, str], None], state: str
) -> None:
    forget_half(run)
    head = run.start("coldset", *QUICK)
    job = run.until("bridge_shard", head)
    bridging(run)
    fault(run, job)
    done = run.end_of(head)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)
    jobs = list(run.cluster.jobs().values())
    assert state in finished(jobs, "bridge_shard_wildcards_0")
    assert finished(jobs, "bridge_shard_wildcards_0").count("COMPLETED") == 1
    assert finished(jobs, "bridge_shard_wildcards_1") == []  # what was complete is not run again
    assert ("Slurm no longer knows job" in done.stdout) == (fault is crash_controller)
    if state != "COMPLETED":
        assert f"SLURM status is: '{state}'" in done.stdout
        assert "results/smoke/logs/coldset/bridge-" in done.stdout


def test_over_the_memory_limit_the_next_attempt_gets_more(run: ClusterRun, smoke: Workflow) -> None:
    run.change("tight.yaml", {"resources": {"bridge": {"mem_mb": 450}}})
    forget_half(run)
    done = run.run("coldset", *QUICK)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)
    states = finished(list(run.cluster.jobs().values()), "bridge_shard")
    assert states.count("COMPLETED") == 1
    assert set(states) - {"COMPLETED"} <= {"FAILED", "OUT_OF_MEMORY"}
    assert len(states) > 1, "450 MB were enough"


def test_over_the_time_limit_the_next_attempt_goes_on(run: ClusterRun, smoke: Workflow) -> None:
    run.change("brief.yaml", {"resources": {"bridge": {"runtime": 1}}})
    forget_half(run)
    head = run.start("coldset", *QUICK)
    run.until("bridge_shard", head)
    (hung, *_) = bridging(run)
    os.kill(hung, signal.SIGSTOP)  # it hangs
    done = run.end_of(head)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)
    assert "SLURM status is: 'TIMEOUT'" in done.stdout


def test_a_long_outage_is_one_line_and_recovery_brings_it_home(run: ClusterRun, smoke: Workflow) -> None:
    run.variables["VR1REPRO_SLURM_PATIENCE_S"] = "10"
    forget_half(run)
    head = run.start("coldset", *QUICK)
    run.until("bridge_shard", head)
    run.cluster.stop("slurmctld", signal.SIGKILL)
    done = run.end_of(head)
    assert done.returncode == 1
    assert "Slurm has not answered for 10 s. Its jobs may go on: when it is back, run `vr1repro recover`" in done.stdout
    assert "Traceback" not in done.stdout
    refused = run.vr1repro("recover")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") <= 2
    run.cluster.start_controller()
    assert run.vr1repro("recover").returncode == 0
    done = run.run("coldset", *QUICK)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)


def test_the_error_names_rule_arm_and_log(run: ClusterRun) -> None:
    # Of a random model's completions nearly all are cut, which a stage takes for a mistake unless told otherwise.
    run.change("strict.yaml", {"rl": {"max_clipped_share": 0.01}})
    stage = "results/smoke/train/zero/s1/stage1"
    done = run.run(f"{stage}/content.sha256", "--retries", "0", *QUICK)
    assert done.returncode == 1
    assert "Error in rule train_rl_stage:" in done.stdout
    assert f"output: {stage}/content.sha256" in done.stdout
    assert "log: results/smoke/logs/train/zero/s1/stage1.log" in done.stdout
    assert "rl.max_clipped_share allows 1%" in (run.root / "logs/train/zero/s1/stage1.log").read_text()
