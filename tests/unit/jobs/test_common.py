"""Which finished artefacts a job makes again, keeps, or refuses to touch."""

import json
from pathlib import Path

import pytest

from vr1repro.config.loader import load
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import (
    CONTENT,
    MANIFEST,
    PLANNED,
    content_sha,
    mark_planned,
    planned_params,
    restore_content_hashes,
    write_manifest,
)
from vr1repro.jobs.common import guard, may_remake

INPUTS = {"model": "a", "problems": "b"}
PARAMS = {"code": "1", "settings": "2"}


@pytest.fixture
def settings(repo: Path) -> Config:
    """A config that guards what is finished."""
    return load(repo / "config" / "smoke.yaml").model_copy(update={"guard_finished": True})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A finished folder whose content hash Snakemake has removed before its job."""
    folder = tmp_path / "stage1"
    folder.mkdir()
    (folder / "weights").write_text("w")
    write_manifest(folder, "rl", {}, INPUTS)
    (folder / CONTENT).unlink()
    return folder


def test_an_unfinished_folder_is_made(settings: Config, tmp_path: Path) -> None:
    assert guard(tmp_path / "new", settings, "", INPUTS)


def test_equal_code_settings_and_inputs_keep_it(settings: Config, out: Path) -> None:
    mark_planned(out, PARAMS)
    for _process in range(2):
        assert not guard(out, settings, "", INPUTS)
    assert (out / CONTENT).read_text().strip() == content_sha(out)


@pytest.mark.parametrize(
    ("params", "inputs"), [(PARAMS, {**INPUTS, "problems": "c"}), (None, INPUTS)], ids=["inputs", "code"]
)
def test_a_refusal_is_remembered(
    settings: Config, out: Path, params: dict[str, str] | None, inputs: dict[str, str]
) -> None:
    mark_planned(out, params)
    for _process in range(2):
        with pytest.raises(UserError, match="vr1repro accept"):
            guard(out, settings, "", inputs)
    restore_content_hashes(out.parent)
    assert not (out / CONTENT).exists()
    assert planned_params(out) == params
    assert (out / "weights").exists()


def test_a_job_that_no_head_has_planned_refuses(settings: Config, out: Path) -> None:
    with pytest.raises(UserError):
        guard(out, settings, "", INPUTS)
    assert json.loads((out / PLANNED).read_text()) is None


@pytest.mark.parametrize("spelling", ["{}", "{}/", "x, ./{}"])
def test_remake_names_folders_however_they_are_spelt(
    settings: Config, out: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(out.parent)
    mark_planned(out, None)
    assert guard(Path(out.name), settings, spelling.format(out.name), INPUTS)
    assert not any((out / name).exists() for name in (CONTENT, MANIFEST, PLANNED))
    restore_content_hashes(out.parent)
    assert not (out / CONTENT).exists()


def test_nothing_is_remade_without_a_name() -> None:
    assert not may_remake(Path("results/a"), "")
    assert not may_remake(Path("results/a"), "results/ab,results")
    assert not may_remake(Path(), "")


def test_a_run_of_an_older_version_gets_its_content_hashes(out: Path) -> None:
    restore_content_hashes(out.parent)
    assert (out / CONTENT).read_text().strip() == content_sha(out)
