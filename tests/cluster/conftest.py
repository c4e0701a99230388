"""A Slurm cluster for each test that asks for one, and the finished smoke run in a clone on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_run import ClusterRun, clone
from slurm_cluster import Cluster, why_not
from smoke_workflow import Workflow


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three nodes with two GPUs each, on loopback; a test's parameter is put into slurm.conf."""
    if reason := why_not():
        pytest.skip(reason)
    made = Cluster(extra=getattr(request, "param", ""))
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture
def fresh(cluster: Cluster, repo: Path, tmp_path: Path) -> Iterator[ClusterRun]:
    """A clone in which nothing was run."""
    folder = tmp_path / "clone"
    clone(repo, folder)
    made = ClusterRun(cluster, folder)
    yield made
    made.end_all()


@pytest.fixture
def run(fresh: ClusterRun, smoke: Workflow) -> ClusterRun:
    """A clone that holds the finished local smoke run; a test forgets what it wants made on the cluster."""
    shutil.copytree(smoke.root, fresh.root, symlinks=True)
    shutil.copytree(smoke.folder / ".snakemake" / "metadata", fresh.folder / ".snakemake" / "metadata")
    return fresh
