"""The user's own command, word for word, over the whole smoke experiment."""

from collections import Counter

import pytest
from cluster_run import ClusterRun
from smoke_workflow import Workflow

pytestmark = [pytest.mark.verify, pytest.mark.slow, pytest.mark.timeout(3600)]


def test_the_literal_command_makes_the_local_runs_files(fresh: ClusterRun, smoke: Workflow) -> None:
    assert fresh.command() == ["snakemake", "--cores", "all", "--profile", "slurm", "--configfile", "config/smoke.yaml"]
    done = fresh.run(timeout_s=3500)
    logs = "\n".join(f"{path}:\n{path.read_text()[-800:]}" for path in fresh.root.rglob("logs/**/*.log"))
    assert done.returncode == 0, done.stdout[-3000:] + logs
    assert (fresh.root / "report" / "index.html").stat().st_size > 10_000
    assert Workflow(smoke.repo, fresh.folder).evidence() == smoke.evidence()
    jobs = Counter(comment for state, comment in fresh.cluster.jobs().values() if state == "COMPLETED")
    assert set(jobs.values()) == {1}  # each once
    assert len(jobs) == int(done.stdout.split("total")[1].split()[0]) - 1  # all of them on Slurm, save `all`
    assert "Nothing to be done" in fresh.run().stdout
