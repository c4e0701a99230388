import json
from pathlib import Path

import pytest

from vr1repro.core import provenance
from vr1repro.core.errors import UserError


def test_manifest_content_ignores_host_time_and_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shas = []
    for name, host in (("a", "here"), ("b", "there")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "steps.jsonl").write_text("{}\n")
        (folder / "timing.jsonl").write_text(host)
        monkeypatch.setattr(provenance.platform, "node", lambda host=host: host)
        provenance.write_manifest(folder, "model", {"seed": 1}, {"base": "x"}, telemetry=["timing.jsonl"])
        shas.append(provenance.content_sha(folder))
    assert shas[0] == shas[1]
    manifest = provenance.read_manifest(tmp_path / "b")
    assert manifest["made"]["host"] == "there"
    assert set(manifest["content"]["files"]) == {"steps.jsonl"}


@pytest.mark.parametrize("change", ["file", "settings", "inputs"])
def test_manifest_content_follows_what_matters(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "x").write_text("1")
    before = provenance.write_manifest(folder, "model", {"seed": 1}, {"base": "x"})["content_sha"]
    if change == "file":
        (folder / "x").write_text("2")
    settings = {"seed": 2} if change == "settings" else {"seed": 1}
    inputs = {"base": "y"} if change == "inputs" else {"base": "x"}
    assert provenance.write_manifest(folder, "model", settings, inputs)["content_sha"] != before


def test_a_folder_apart_may_go_and_its_manifest_stays(tmp_path: Path) -> None:
    stage, candidate = tmp_path / "stage1", tmp_path / "stage1" / "candidates" / "step5"
    candidate.mkdir(parents=True)
    (stage / "steps.jsonl").write_text("{}\n")
    (candidate / "model.safetensors").write_text("weights")
    made = provenance.write_manifest(candidate, "model", {}, {})
    content = provenance.write_manifest(stage, "rl-stage", {}, {}, apart=["candidates"])["content"]
    assert set(content["files"]) == {"steps.jsonl"}
    assert not provenance.is_left(candidate)
    provenance.leave_manifest(candidate)
    assert provenance.is_left(candidate)
    assert not (candidate / "model.safetensors").exists()
    assert provenance.content_sha(candidate) == made["content_sha"]
    assert not provenance.is_left(tmp_path / "never")


def test_a_folder_without_manifest_is_incomplete(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="half-written"):
        provenance.content_sha(tmp_path)


def test_versions_are_stamped() -> None:
    stamped = provenance.made()["versions"]
    assert {"python", "vr1repro", "numpy"} <= set(stamped)
    assert json.dumps(stamped)
