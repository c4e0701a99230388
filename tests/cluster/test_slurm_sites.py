"""What sites differ in: no sacct, no account, job arrays, full queues, nodes that no job of the config fits."""

import os
from pathlib import Path

import pytest
from cluster_run import QUICK, ClusterRun, finished
from smoke_workflow import Workflow
from test_slurm_recovery import coldset

pytestmark = [pytest.mark.verify, pytest.mark.slow, pytest.mark.timeout(1800)]

ACCOUNTING = ("sacct", "sacctmgr", "sshare")


def without_accounting(run: ClusterRun, folder: Path) -> None:
    """A PATH on which nothing of Slurm's accounting is."""
    folder.mkdir()
    for where in dict.fromkeys(os.environ["PATH"].split(":")):
        for tool in Path(where).iterdir() if Path(where).is_dir() else ():
            if tool.name not in ACCOUNTING and not (folder / tool.name).exists():
                (folder / tool.name).symlink_to(tool)
    for name in ACCOUNTING:
        (run.cluster.bin / name).unlink()
    run.variables["PATH"] = f"{run.cluster.bin}:{Path(run.environment['PATH'].split(':')[1])}:{folder}"


def test_arrays_without_sacct_and_account(run: ClusterRun, smoke: Workflow, tmp_path: Path) -> None:
    without_accounting(run, tmp_path / "tools")
    run.forget("coldset")
    done = run.run("coldset", "--slurm-array-jobs", "bridge_shard", *QUICK)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)
    jobs = run.cluster.jobs()
    assert finished(list(jobs.values()), "bridge_shard") == ["COMPLETED"] * 2
    assert len({number.split("_")[0] for number, (_, comment) in jobs.items() if "bridge_shard" in comment}) == 1


def test_what_no_node_can_give_is_said_by_sbatch_and_by_the_plan(run: ClusterRun) -> None:
    run.change("large.yaml", {"resources": {"report": {"mem_mb": 4_000_000}}})
    run.forget("tables")
    done = run.run("results/smoke/tables/manifest.json", "--retries", "0", *QUICK)
    assert done.returncode == 1
    assert "Memory specification can not be satisfied" in done.stdout
    assert "Error in rule make_tables:" in done.stdout
    said = run.vr1repro("plan", "--configfile", "large.yaml").stdout
    assert "grading, report: a job needs 4000000 MB of memory, partition main gives 12000" in said
    assert "ok  Slurm 22.05" in run.vr1repro("doctor", "--configfile", "large.yaml").stdout


def test_sacct_where_nothing_is_kept_is_refused(run: ClusterRun) -> None:
    run.forget("tables")
    done = run.run("results/smoke/tables/manifest.json", "--slurm-status-command", "sacct", *QUICK)
    assert done.returncode == 1
    assert "this cluster keeps no accounting" in done.stdout
    assert run.cluster.jobs() == {}


# The controller counts jobs that ended, too, until it forgets them.
@pytest.mark.parametrize("cluster", ["MaxJobCount=4\nMinJobAge=30"], indirect=True)
def test_a_full_queue_is_waited_for(run: ClusterRun, smoke: Workflow) -> None:
    run.forget("coldset")
    for _ in range(4):
        run.cluster.ask("sbatch", "--output=/dev/null", "--wrap=true", cwd=run.folder)
    done = run.run("coldset", *QUICK)
    assert done.returncode == 0, done.stdout[-3000:]
    assert coldset(run) == coldset(smoke)
    assert "MaxJobCount" in (run.cluster.dir / "log" / "slurmctld").read_text()
