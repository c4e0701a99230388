"""A run that is compared with the paper says which commits it was made of, or is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from vr1repro.config.loader import load
from vr1repro.config.plan import Plan
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import write_manifest
from vr1repro.core.revisions import FILE
from vr1repro.jobs.start import refuse_without_commits
from vr1repro.reporting.run.commits import require_commits

COMMIT, OTHER = "a" * 40, "b" * 40
MODEL, DATA, FOLDER = "model Qwen/Qwen2.5-VL-7B-Instruct", "dataset AI4Math/MathVista", "dataset path data/verse"
RECORD: dict[str, str | None] = {MODEL: COMMIT, DATA: COMMIT, FOLDER: None}


@pytest.fixture
def plan(repo: Path, tmp_path: Path) -> Plan:
    """Of a base model that is evaluated on two benchmarks, one of them a local folder; nothing else is taken."""
    values = yaml.safe_load((repo / "config" / "evaluate.yaml").read_text())
    values["benchmarks"] = {
        "mathvista": values["benchmarks"]["mathvista"],
        "mathverse": {"kind": "path", "path": "data/verse"},
    }
    values["evaluation"]["benchmarks"] = ["mathvista", "mathverse"]
    values["arms"] = {"base": values["arms"]["base"]}
    values |= {"run_arms": ["base"], "take_released": [], "lengths": None, "graders": None}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    return Plan(load(tmp_path / "mine.yaml"), str(tmp_path))


@pytest.fixture
def run(plan: Plan) -> Callable[..., Path]:
    """A run whose artefacts were fetched, with a record of their commits."""

    def make(record: dict[str, str | None] | None = None, **commits: str | None) -> Path:
        root = Path(plan.root)
        settings = {"models/qwen2.5-vl-7b": MODEL, "problems/mathvista": DATA, "problems/mathverse": FOLDER}
        for name, key in settings.items():
            (root / name).mkdir(parents=True)
            commit = commits.get(Path(name).name.partition(".")[0], RECORD[key])
            write_manifest(root / name, "x", {"revision": None}, {}, {"commit": commit})
        if record is not None:
            (root / FILE).write_text(json.dumps(record))
        return root

    return make


def test_a_complete_record_is_taken(plan: Plan, run: Callable[..., Path]) -> None:
    require_commits(plan, run(RECORD))
    refuse_without_commits(plan.config)  # no run of this config in this folder: nothing was fetched yet


@pytest.mark.parametrize(
    ("record", "commits", "message"),
    [
        (None, {}, rf'{FILE}: has no commit of {MODEL}, .*; add "{MODEL}": "{COMMIT}", as its manifest says'),
        ({MODEL: COMMIT, FOLDER: None}, {}, rf'has no commit of {DATA}, .* add "{DATA}": "{COMMIT}"'),
        ({MODEL: COMMIT, DATA: COMMIT}, {}, rf'has no commit of {FOLDER}, .* add "{FOLDER}": null'),
        ({**RECORD, DATA: None}, {}, rf"has no commit of {DATA}"),
        ({FOLDER: None}, {"mathvista": None}, rf"has no commit of {DATA}, .*; remove .*mathvista and fetch it again"),
        (RECORD, {"mathvista": OTHER}, rf"mathvista: was fetched at {OTHER}, and .*{FILE} has {COMMIT}; remove it"),
    ],
)
def test_an_incomplete_record_is_refused_with_the_fix(
    plan: Plan, run: Callable[..., Path], record: dict[str, str | None], commits: dict[str, str], message: str
) -> None:
    folder = run(record, **commits)
    with pytest.raises(UserError, match=message):
        require_commits(plan, folder)
    require_commits(Plan(plan.config.model_copy(update={"comparable": False}), str(folder.parent)), folder)


def test_a_kept_run_without_a_record_is_refused(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{FILE}: is missing, so nobody knows which commits this run took of {MODEL}"):
        require_commits(plan, tmp_path / "unpacked")


def test_tables_and_the_start_refuse(plan: Plan, run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    root = run({MODEL: COMMIT})
    (root.parent / "results").symlink_to(root.parent)
    monkeypatch.chdir(root.parent)
    with pytest.raises(UserError, match=f"has no commit of {DATA}"):
        refuse_without_commits(plan.config)
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", "stage", "tables", "--config", "mine.yaml", "--out", "tables"],
        capture_output=True, text=True, check=False, cwd=root.parent,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"has no commit of {DATA}" in done.stderr
    assert "Traceback" not in done.stderr
