"""The smoke experiment for real: every stage to the report, then nothing is left to do, and an edit reruns its own."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from smoke_workflow import Workflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

REPORTING = {"make_tables", "draw_figures", "make_report"}


def planned(workflow: Workflow, *words: str) -> set[str]:
    """Rules that a dry run would run."""
    done = workflow.run("-n", *words)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert ("Nothing to be done" in text) == ("Job stats" not in text)
    return set(re.findall(r"^(?:local)?rule (\w+):", text, re.MULTILINE)) - {"all"}


def test_smoke_from_problems_to_report(smoke: Workflow) -> None:
    assert (smoke.root / "report" / "index.html").stat().st_size > 10_000
    assert {path.suffix for path in (smoke.root / "figures").glob("figure1.*")} == {".pdf", ".svg", ".png"}
    for slug in ("base_s0", "ci_s1", "zero_s1", "vision-r1_s1", "ptst-4kx16-4kx16_s1"):
        summary = json.loads((smoke.root / "eval" / slug / "responses.json").read_text())
        for figures in (entry["figures"] for entry in summary.values()):
            assert (figures["unknown_tokens"], figures["grid_mismatches"], figures["refused"]) == (0, 0, 0)


def test_afterwards_nothing_is_to_be_done(smoke: Workflow) -> None:
    assert planned(smoke) == set()


def test_snakemake_writes_its_own_report(smoke: Workflow, tmp_path: Path) -> None:
    done = smoke.run("--report", str(tmp_path / "report.html"))
    assert done.returncode == 0, done.stderr
    assert "Figures" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_kept_run_gives_the_same_tables_and_figures_without_torch(smoke: Workflow, tmp_path: Path) -> None:
    kept, drawn = tmp_path / "kept", tmp_path / "drawn"
    for words in (
        ["keep", "--config", str(smoke.root / "config.yaml"), "--out", str(kept)],
        ["redraw", "--reference", str(kept), "--out", str(drawn)],
    ):
        code = "import atexit, os, sys\natexit.register(lambda: 'torch' in sys.modules and os._exit(3))\n"
        code += "from vr1repro.cli import main\nmain()"
        subprocess.run([sys.executable, "-c", code, *words], check=True, cwd=tmp_path, env=smoke.environment)
    for folder in ("tables", "figures"):
        made = {path.name: path.read_bytes() for path in (smoke.root / folder).iterdir()}
        again = {path.name: path.read_bytes() for path in (drawn / folder).iterdir()}
        # A kept run lacks the training problems, whose hashes the live run's figures know.
        known, still = (
            {(file["path"], file["sha256"]) for file in json.loads(files.pop("provenance.json"))["files"]}
            for files in (made, again)
        )
        assert still <= known
        assert {path for path, _ in known - still} <= {f"problems/{name}/problems.parquet" for name in ("rl", "cold")}
        made.pop("manifest.json", None)
        assert made == again


@pytest.fixture
def copy(smoke: Workflow, tmp_path: Path) -> Workflow:
    """The finished run seen by a copy of the repository, which a test may edit."""
    for name in ("vr1repro", "workflow", "config"):
        shutil.copytree(smoke.repo / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(smoke.repo / "Snakefile", tmp_path)
    return replace(smoke, package=tmp_path)


def edit(copy: Workflow, module: str, text: str) -> None:
    assert copy.package is not None
    path = copy.package / "vr1repro" / module
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_copy_a_touch_and_a_comment_rerun_nothing(copy: Workflow) -> None:
    for module in ("training/grpo.py", "micro/world.py", "evaluation/grading.py", "records.py"):
        edit(copy, module, "\n# A remark.\n")
    assert planned(copy) == set()


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("reporting/words.py", REPORTING),
        ("evaluation/grading.py", {"grade_checkpoint", *REPORTING}),
        ("evaluation/ledger.py", {"evaluate_checkpoint", "grade_checkpoint", *REPORTING}),
        ("training/grpo.py", {"train_rl_stage", "evaluate_checkpoint", "grade_checkpoint", *REPORTING}),
        ("training/sft.py", {"train_sft", "train_rl_stage", "evaluate_checkpoint", "grade_checkpoint", *REPORTING}),
    ],
)
def test_an_edit_reruns_what_the_module_made_and_no_more(copy: Workflow, module: str, rules: set[str]) -> None:
    edit(copy, module, "\n_edited = 1\n")
    assert planned(copy) == rules


@pytest.mark.verify
def test_ctrl_c_in_every_stage_leaves_the_same_files(smoke: Workflow, tmp_path: Path) -> None:
    interrupted, undisturbed = replace(smoke, folder=tmp_path / "a"), replace(smoke, folder=tmp_path / "b")
    for workflow in (interrupted, undisturbed):
        workflow.folder.mkdir()
    remaining = {"models/tiny.log", "coldset/bridge-*.log", "coldset/merge.log", "train/*/s1/sft.log",
                 "train/*/s1/stage1.log", "train/*/s1/stage2.log", "eval/*_s1.log", "eval/*.grade.log", "tables.log",
                 "figures.log", "report.log"}  # fmt: skip
    while remaining:
        remaining.remove(interrupted.interrupt_at(*sorted(remaining)))
    interrupted.finish()
    undisturbed.finish()
    assert interrupted.evidence() == undisturbed.evidence()
    assert planned(interrupted) == set()
