"""The smoke experiment through the DAG, run once for all tests, and stopped with Ctrl-C on the way."""

from pathlib import Path

import pytest
from filelock import FileLock
from smoke_workflow import Workflow


@pytest.fixture(scope="session")
def smoke(repo: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workflow:
    """The finished smoke run, interrupted once. All workers share it; the tests that use it must not change it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "smoke-run"
    workflow = Workflow(repo, folder)
    with FileLock(folder.with_suffix(".lock")):
        if not (workflow.root / "report" / "index.html").exists():
            folder.mkdir(exist_ok=True)
            workflow.interrupt_at("train/ci/s1/sft.log")
            workflow.finish()
    return workflow
