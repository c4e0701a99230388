"""The smoke experiment for real: every stage to the report, then nothing is left to do, and an edit reruns its own."""

import csv
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from smoke_workflow import Workflow

from vr1repro.benchmarks.lookup import extraction_modules, facts_modules, sampling_modules, scoring_modules
from vr1repro.coldset.models import bridge_modules
from vr1repro.commands.rerun import read_plan
from vr1repro.config.loader import load
from vr1repro.core.code_hash import closure, is_outside
from vr1repro.core.jsonl import read
from vr1repro.core.records import Response
from vr1repro.engines.load import engine_modules
from vr1repro.evaluation.graders import grader_modules
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


def test_one_arm_is_asked_under_both_protocols(smoke: Workflow) -> None:
    """Protocol paper has the first samples of single, asks again where there is no answer, and is graded and shown."""
    folders = {path.parts[-6] for path in (smoke.root / "eval").glob("*/*/paper/e*/verdicts/rule.jsonl")}
    assert folders == {"vision-r1_s1", "vision-r1_s1_stage1_step2"}
    asked_again = 0
    for path in sorted((smoke.root / "eval" / "vision-r1_s1").glob("*/paper/e*/responses.jsonl")):
        rows = list(read(path, Response))
        first = path.parents[2] / "single" / path.parent.name / "responses.jsonl"
        single = [(row.id, row.response) for row in read(first, Response)]
        assert [(row.id, row.response) for row in rows if row.attempt == 0] == single
        asked_again += sum(row.attempt > 0 for row in rows)
    assert asked_again > 0
    with (smoke.root / "tables" / "scores.csv").open(encoding="utf-8") as file:
        assert {row["protocol"] for row in csv.DictReader(file) if row["arm"] == "vision-r1"} == {"single", "paper"}


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
        for name in ("manifest.json", "content.sha256"):
            made.pop(name, None)
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


# One edit (a statement added to a module), and the rules whose code hash it changes, as Snakemake's reasons show it: it
# names the code of the first rules alone, and for what comes after them that an input is updated by another job.
# `pytest -k table -s` prints the tables.
EDITS = [
    ("benchmarks/dynamath/rule.py", set()),  # no benchmark of this run
    ("engines/vllm.py", set()),  # no engine of this run
    ("engines/endpoint/limiter.py", {"extract_answers"}),  # judging and grading wait for it
    ("benchmarks/mathvista/extraction.py", {"extract_answers", "grade_benchmark"}),
    ("evaluation/extract_and_judge.py", {"extract_answers"}),
    ("lab/grader.py", {"extract_answers"}),
    ("benchmarks/mathvista/official.py", {"grade_benchmark"}),
    ("benchmarks/scoring.py", {"grade_benchmark"}),
    ("evaluation/grading.py", {"grade_benchmark"}),
    ("benchmarks/mathvista/prompts.py", {"evaluate_checkpoint"}),
    ("evaluation/ledger.py", {"evaluate_checkpoint", "sample_lengths"}),
    # Tables and figures have its code too; they wait for the job that comes before them.
    ("evaluation/selection.py", {"select_checkpoint"}),
    ("coldset/ablation.py", {"build_coldset"}),
    ("reporting/figures/style.py", {"draw_figures"}),
    ("reporting/tables/render.py", {"make_tables"}),
    ("reporting/run/scores.py", {"make_tables", "draw_figures"}),
    ("coldset/filters.py", {"build_coldset"}),
    ("coldset/bridge.py", {"bridge_shard"}),
    ("lab/teacher.py", {"pretrain_lab_model"}),
    ("training/sft.py", {"train_sft"}),
    ("training/grpo.py", {"train_rl_stage"}),
    ("lab/drawing.py", {"make_problems", "pretrain_lab_model"}),
    ("answers/extract.py", {"build_coldset", "train_rl_stage", "grade_benchmark"}),
    ("core/jsonl.py", {"make_problems", "pretrain_lab_model"}),  # every rule's code; these come first
]


@pytest.mark.parametrize(("module", "rules"), EDITS)
def test_table_of_edits_and_the_rules_whose_code_they_change(copy: Workflow, module: str, rules: set[str]) -> None:
    edit(copy, module, "\n_edited = 1\n")
    changed = {rule for rule, reasons in reasons_of(copy).items() if any("Params have changed" in r for r in reasons)}
    print(f"\n{module}: {', '.join(sorted(changed)) or 'none'}")
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
@pytest.mark.parametrize(
    ("rule", "target"),
    [
        ("build_coldset", "coldset/content.sha256"),
        ("extract_answers", "eval/zero_s1/mathverse/extracted.json"),
        ("judge_answers", "eval/zero_s1/mathverse/judged.json"),
        ("grade_benchmark", "eval/zero_s1/mathvista/verdicts.json"),
        *(
            pytest.param(*row, marks=pytest.mark.verify)
            for row in (
                ("make_problems", "problems/rl/content.sha256"),
                ("pretrain_lab_model", "models/tiny/content.sha256"),
                ("bridge_shard", "coldset/shards/0/content.sha256"),
                ("train_sft", "train/ci/s1/sft/content.sha256"),
                ("train_rl_stage", "train/zero/s1/stage1/content.sha256"),
                ("evaluate_checkpoint", "eval/zero_s1/responses.json"),
                ("make_tables", "tables/content.sha256"),
                ("draw_figures", "figures/content.sha256"),
            )
        ),
    ],
)
def test_table_of_equal_content_that_reruns_nothing_after_it(
    smoke: Workflow, tmp_path: Path, rule: str, target: str
) -> None:
    own = replace(smoke, folder=tmp_path)
    shutil.copytree(smoke.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    target = f"results/smoke/{target}"
    before = (tmp_path / target).stat().st_mtime_ns
    done = own.run(target, "--force")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(rf"^(?:local)?rule {rule}:", done.stdout + done.stderr, re.MULTILINE)
    assert (tmp_path / target).stat().st_mtime_ns > before
    after = planned(own)
    print(f"\n{rule} made again, equal content: {', '.join(sorted(after)) or 'none'}")
    assert after == set()


def test_jobs_import_no_module_outside_their_hash(smoke: Workflow) -> None:
    """Every module that a job of the smoke run imported, as its process noted it, is in its rule's hash."""
    config = load(smoke.repo / "config" / "smoke.yaml")
    benchmarks = sorted(config.benchmarks)
    sampling = [name for slug in benchmarks for name in sampling_modules(slug)]
    scoring = [name for slug in benchmarks for name in scoring_modules(slug)]
    assert config.graders is not None
    asking = [*grader_modules(config.graders), *(name for slug in benchmarks for name in extraction_modules(slug))]
    by_name = {
        "bridge": bridge_modules(config.coldset),
        "overlap": sampling,
        "evaluate": [*engine_modules(config.evaluation.engine), *sampling],
        "lengths": engine_modules(config.evaluation.engine),
        "extract": asking,
        "judge": asking,
        "grade": scoring,
        # What grades rows again (`reporting.run.regraded`, outside every hash) takes the graders' modules.
        **{job: [*facts_modules(), "vr1repro.evaluation.grading", *scoring] for job in ("tables", "figures", "report")},
    }
    hashed = {job: closure([module, *by_name.get(job, [])]) for job, module in JOBS.items()}
    seen: dict[str, set[str]] = {}
    for file in smoke.imports.glob("*.jsonl"):
        for line in file.read_text().splitlines():
            row = json.loads(line)
            if row["argv"][:1] == ["stage"] and len(row["argv"]) > 1:
                seen.setdefault(row["argv"][1], set()).add(row["module"])
    assert set(JOBS) - {"elsewhere", "fetch-model", "overlap", "released-coldset"} <= set(seen)
    apart = {
        job: sorted(name for name in modules - hashed[job] if not is_outside(name)) for job, modules in seen.items()
    }
    assert {job: names for job, names in apart.items() if names} == {}


def test_a_finished_training_is_guarded(smoke: Workflow, tmp_path: Path) -> None:
    """Also where file permissions guard nothing (root): before the first job, and in the job itself."""
    own = replace(smoke, folder=tmp_path, overrides=("--config", "guard_finished=true"))
    shutil.copytree(smoke.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    stage = "results/smoke/train/zero/s1/stage1"
    weights = files_below(tmp_path / stage)
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
    assert files_below(tmp_path / stage) == weights


def files_below(folder: Path) -> dict[Path, bytes]:
    """Content of all files of a folder but the mark of a planned job."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "planned.json"}


def test_a_training_with_updated_inputs_is_kept_or_refused_by_their_content(smoke: Workflow, tmp_path: Path) -> None:
    own = replace(smoke, folder=tmp_path, overrides=("--config", "guard_finished=true"))
    shutil.copytree(smoke.folder, tmp_path, dirs_exist_ok=True, symlinks=True)
    stage = "results/smoke/train/zero/s1/stage1"
    again = (f"{stage}/content.sha256", "--forcerun", "make_problems")
    weights = files_below(tmp_path / stage)
    done = own.run(*again)  # equal problems
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search("^(?:local)?rule train_rl_stage:", done.stdout + done.stderr, re.MULTILINE)
    assert files_below(tmp_path / stage) == weights
    assert planned(own) == set()

    manifest = tmp_path / stage / "manifest.json"
    made_of = json.loads(manifest.read_text())["content"]["inputs"]["problems"]
    manifest.write_text(manifest.read_text().replace(made_of, "0" * 64))  # it was made of others
    weights = files_below(tmp_path / stage)
    assert own.run(*again).returncode != 0
    assert (
        "is finished, and guard_finished keeps it"
        in (tmp_path / "results/smoke/logs/train/zero/s1/stage1.log").read_text()
    )
    left = {path: content for path, content in weights.items() if path != tmp_path / stage / "content.sha256"}
    assert files_below(tmp_path / stage) == left
    assert "train_rl_stage" in planned(own)  # the refusal is not forgotten,
    assert own.run(f"{stage}/content.sha256").returncode != 0
    assert "train_rl_stage" in planned(own)  # however often one starts,

    done = subprocess.run(
        [sys.executable, "-m", "vr1repro", "accept", stage, "--directory", str(tmp_path), "--configfile",
         str(own.repo / "config/smoke.yaml"), "--snakefile", str(own.repo / "Snakefile")],
        capture_output=True, text=True, check=False, env=own.environment, cwd=own.repo,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert planned(own) == set()  # until somebody accepts the old one,
    assert files_below(tmp_path / stage) == weights
    edited = replace(own, overrides=(*own.overrides, "rl={beta: 0.02}"))
    assert "train_rl_stage" in planned(edited)  # which records what it was accepted for.


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
