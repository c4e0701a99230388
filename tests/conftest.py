"""Fixtures that every test may use."""

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from smoke_workflow import Workflow

REPO = Path(__file__).resolve().parent.parent

# A first example may import torch, and the machine may be busy: time is no property of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")
# One thread a process: the tests run side by side, and results must not depend on the machine's core count.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one switch of all tests that make a committed file; see `reference_file`."""
    parser.addoption("--write-references", action="store_true", help="write the committed files that these tests make")


@pytest.fixture(scope="session")
def repo() -> Path:
    """The repository's root."""
    return REPO


@pytest.fixture
def reference_file(request: pytest.FixtureRequest, repo: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Where a test writes a file of the repository: there under --write-references, else in a folder of its own."""

    def place(name: str) -> Path:
        path = (repo if request.config.getoption("--write-references") else tmp_path / "references") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    return place


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real benchmark data beside a developer's checkout; tests are skipped where it is absent."""
    folder = REPO.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real benchmark data (../shared/data) is not here: a user's clone has none")
    return folder


@pytest.fixture(scope="session")
def paper() -> Path:
    """The folder of texts of the paper beside a developer's checkout; tests are skipped where it is absent."""
    folder = REPO.parent / "shared" / "paper"
    if not folder.is_dir():
        pytest.skip("the paper's texts (../shared/paper) are not here: a user's clone has none")
    return folder


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random checkpoint of the real architecture."""
    from lab_sizes import changed

    from vr1repro.lab.model import build, save
    from vr1repro.lab.tokenizer import Prompts

    folder = tmp_path_factory.mktemp("checkpoint")
    model = {"hidden": 64, "layers": 2, "heads": 2, "kv_heads": 1, "ffn": 96, "mrope_section": (4, 4, 8)}
    lab = changed(model=model | {"vision_hidden": 32, "vision_heads": 2, "vision_ffn": 64})
    prompts = Prompts("Q: {question} A: {answer}", "Q: {question} P: {pseudo_cot}")
    save(*build(lab, prompts, seed=0), folder)
    return folder


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
            replace(workflow, warm=True).finish()
    return workflow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, whose size the test may change."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("a disk that fills needs the right to mount a tmpfs (root)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(scope="session")
def micro_run(repo: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workflow:
    """A finished micro run, for `make verify`; VR1REPRO_MICRO_RUN names the folder that `make micro` ran in.

    All workers share it; the tests that use it must not change it.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "micro-run"
    made = os.environ.get("VR1REPRO_MICRO_RUN")
    workflow = Workflow(repo, Path(made) if made else folder, config="micro", warm=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (workflow.root / "report" / "index.html").exists():
            workflow.folder.mkdir(exist_ok=True)
            workflow.finish()
    return workflow
