"""Fixtures of the benchmarks' tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vr1repro.core import benchmark_folders


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test names as further benchmarks is forgotten after it."""
    monkeypatch.setattr(benchmark_folders, "_further", {})
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    further = tuple(benchmark_folders.further())
    for name in [name for name in sys.modules if name.split(".")[0] in further]:
        del sys.modules[name]


@pytest.fixture
def toy(repo: Path, folders: None) -> Path:
    """The toy benchmark, named as a command line names it."""
    folder = repo / "tests" / "toy_benchmark" / "clocks"
    benchmark_folders.use([folder])
    return folder
