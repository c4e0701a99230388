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

from vr1repro.commands.rerun import read_plan
from vr1repro.core.code_hash import is_outside
from vr1repro.jobs import JOBS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def planned(workflow: Workflow, *words: str) -> set[str]:
    """Rules that a dry run would run."""
    done = workflow.run("-n", *words)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert ("Nothing to be done" in text) == ("Job stats" not in text)
    return set(re.findall(r"^(?:local)?rule (\w+):", text, re.MULTILINE)) - {"all"}


def reasons_of(workflow: Workflow) -> dict[str, list[str]]:
    """Rules that a dry run would run, each with the reasons that Snakemake gives."""
    done = workflow.run("-n")
    assert done.returncode == 0, done.stdout + done.stderr
    return read_plan(done.stdout + done.stderr).reasons


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
    for module in ("training/grpo.py", "lab/world.py", "evaluation/grading.py", "core/records.py"):
        edit(copy, module, "\n# A remark.\n")
    assert planned(copy) == set()


# One edit (a statement added to a module), and the rules whose code hash it changes.
EDITS = [
    ("benchmarks/dynamath/rule.py", set()),  # no benchmark of this run
    ("engines/endpoint/limiter.py", set()),  # no engine of this run
    ("benchmarks/mathvista/official.py", {"grade_benchmark"}),
    ("benchmarks/scoring.py", {"grade_benchmark"}),
    ("evaluation/grading.py", {"grade_benchmark"}),
    ("benchmarks/mathvista/prompts.py", {"evaluate_checkpoint"}),
    ("evaluation/ledger.py", {"evaluate_checkpoint"}),
    ("reporting/figures/style.py", {"draw_figures"}),
    ("reporting/tables/render.py", {"make_tables", "make_report"}),
    ("reporting/run/scores.py", {"make_tables", "draw_figures", "make_report"}),
    ("coldset/filters.py", {"build_coldset"}),
    ("coldset/bridge.py", {"bridge_shard"}),
    ("lab/teacher.py", {"bridge_shard"}),
    ("training/sft.py", {"train_sft"}),
    ("training/grpo.py", {"train_rl_stage"}),
    ("lab/drawing.py", {"make_problems", "pretrain_lab_model"}),
    ("answers/extract.py", {"build_coldset", "train_rl_stage", "grade_benchmark"}),
]


@pytest.mark.parametrize(("module", "rules"), EDITS)
def test_an_edit_changes_the_code_of_what_the_module_makes_and_no_more(
    copy: Workflow, module: str, rules: set[str]
) -> None:
    edit(copy, module, "\n_edited = 1\n")
    changed = {rule for rule, reasons in reasons_of(copy).items() if any("Params have changed" in r for r in reasons)}
    assert changed == rules


def test_one_benchmarks_scorer_grades_that_benchmark_alone(copy: Workflow) -> None:
    edit(copy, "benchmarks/mathvista/official.py", "\n_edited = 1\n")
    done = copy.run("-n")
    graded = set(re.findall(r"output: results/smoke/eval/\w[\w.-]*/(\w+)/verdicts.json", done.stdout + done.stderr))
    assert graded == {"mathvista"}


def test_why_rerun_names_the_module_and_the_jobs(copy: Workflow) -> None:
    edit(copy, "coldset/filters.py", "\n_edited = 1\n")
    assert copy.package is not None
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro", "why-rerun", "tables", "--directory", str(copy.folder),
         "--configfile", str(copy.package / "config/smoke.yaml"), "--snakefile", str(copy.package / "Snakefile")],
        capture_output=True, text=True, check=False, env=copy.environment, cwd=copy.package,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "vr1repro.coldset.filters (edited)" in done.stdout
    assert "build_coldset: 1 job" in done.stdout


# An upstream job made again by itself with equal content, and that nothing after it is then to be done.
@pytest.mark.verify
@pytest.mark.parametrize(
    ("rule", "target"),
    [
        ("make_problems", "results/smoke/problems/rl/content.sha256"),
        ("build_coldset", "results/smoke/coldset/content.sha256"),
        ("bridge_shard", "results/smoke/coldset/shards/0/content.sha256"),
        ("train_sft", "results/smoke/train/ci/s1/sft/content.sha256"),
        ("train_rl_stage", "results/smoke/train/zero/s1/stage1/content.sha256"),
        ("grade_benchmark", "results/smoke/eval/zero_s1/mathvista/verdicts.json"),
        ("make_tables", "results/smoke/tables/content.sha256"),
    ],
)
def test_equal_content_reruns_nothing_after_it(smoke: Workflow, tmp_path: Path, rule: str, target: str) -> None:
    own = replace(smoke, folder=tmp_path)
    shutil.copytree(smoke.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    before = (tmp_path / target).stat().st_mtime_ns
    done = own.run(target, "--force")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(rf"^(?:local)?rule {rule}:", done.stdout + done.stderr, re.MULTILINE)
    assert (tmp_path / target).stat().st_mtime_ns > before
    assert planned(own) == set()


def test_jobs_import_no_module_outside_their_hash(smoke: Workflow) -> None:
    """Every module that a job of the smoke run imported, as its process noted it, is in its rule's hash."""
    hashed: dict[str, set[str]] = {}
    for file in (smoke.root / "code").glob("*.json"):
        modules = set(json.loads(file.read_text()))
        for job in (name for name, module in JOBS.items() if module in modules):
            hashed.setdefault(job, set()).update(modules)
    seen: dict[str, set[str]] = {}
    for file in smoke.imports.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if row["argv"][:1] == ["stage"] and len(row["argv"]) > 1:
                seen.setdefault(row["argv"][1], set()).add(row["module"])
    assert {"problems", "lab-model", "bridge", "coldset", "sft", "rl", "evaluate", "grade", "tables"} <= set(seen)
    apart = {
        job: sorted(name for name in modules - hashed[job] if not is_outside(name)) for job, modules in seen.items()
    }
    assert {job: names for job, names in apart.items() if names} == {}


def test_a_finished_training_is_guarded(smoke: Workflow, tmp_path: Path) -> None:
    """Also where file permissions guard nothing (root): before the first job, and in the job itself."""
    own = replace(smoke, folder=tmp_path, overrides=("--config", "guard_finished=true"))
    shutil.copytree(smoke.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    stage = "results/smoke/train/zero/s1/stage1"
    weights = {path: path.read_bytes() for path in (tmp_path / stage).rglob("*") if path.is_file()}
    done = own.run(f"{stage}/content.sha256", "--force")
    assert done.returncode != 0
    assert f"--config remake={stage}" in done.stdout + done.stderr
    job = subprocess.run(
        [sys.executable, "-m", "vr1repro", "stage", "rl", "--config", "results/smoke/config.yaml", "--arm", "zero",
         "--stage", "1", "--seed", "1", "--out", stage],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=own.environment,
    )  # fmt: skip
    assert job.returncode == 2
    assert "is finished, and guard_finished keeps it" in job.stderr
    assert {path: path.read_bytes() for path in (tmp_path / stage).rglob("*") if path.is_file()} == weights


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
