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


def test_a_folder_without_manifest_is_incomplete(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="half-written"):
        provenance.content_sha(tmp_path)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package named vr1repro of three modules: a imports b inside a function, c stands alone."""
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "a.py").write_text('"""Doc."""\ndef f():\n    from vr1repro import b\n    return b.x\n')
    (tmp_path / "b.py").write_text("x = 1\n")
    (tmp_path / "c.py").write_text("y = 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    return tmp_path


def _hash() -> str:
    provenance.code_hash.cache_clear()
    provenance._bare_tree.cache_clear()
    return provenance.code_hash("vr1repro.a")


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("a.py", '"""Other doc."""\ndef f():\n    # a comment\n    from vr1repro import b\n    return b.x\n', False),
        ("a.py", '"""Doc."""\ndef f():\n    from vr1repro import b\n    return b.x + 1\n', True),
        ("b.py", "x = 2\n", True),
        ("c.py", "y = 2\n", False),
    ],
)
def test_code_hash(package: Path, file: str, text: str, changes: bool) -> None:
    before = _hash()
    (package / file).write_text(text)
    assert (_hash() != before) is changes


def test_code_hash_of_an_unknown_module(package: Path) -> None:
    with pytest.raises(UserError, match="no such module"):
        provenance.code_hash("vr1repro.nothing")


def test_versions_are_stamped() -> None:
    stamped = provenance.made()["versions"]
    assert {"python", "vr1repro", "numpy"} <= set(stamped)
    assert json.dumps(stamped)
