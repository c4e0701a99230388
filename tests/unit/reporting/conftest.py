"""Fixtures of the reporting tests: one synthetic run, read back by the code under test."""

from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_run import arm_infos, write_run

from vr1repro.config.loader import load
from vr1repro.config.reporting import ReportSettings
from vr1repro.config.run import Config
from vr1repro.reporting.run.results import Results


@pytest.fixture(scope="session")
def settings() -> ReportSettings:
    return ReportSettings(
        length_bins=[40, 80],
        bootstrap_draws=100,
        classes={"mathvista": "klass", "mathverse": "klass", "mmmath": "difficulty"},
    )


@pytest.fixture(scope="session")
def config(repo: Path) -> Config:
    return load(repo / "config" / "micro.yaml")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "test"
    write_run(folder, 60)
    return folder


@pytest.fixture(scope="session")
def results(run: Path, settings: ReportSettings) -> Results:
    return Results.load(run, arm_infos(), settings, comparable=False)


@pytest.fixture
def fresh_run(tmp_path: Path) -> Callable[..., Path]:
    def make(n: int = 12, **options: object) -> Path:
        write_run(tmp_path / "run", n, **options)  # type: ignore[arg-type]
        return tmp_path / "run"

    return make
