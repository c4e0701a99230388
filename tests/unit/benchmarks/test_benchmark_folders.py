"""A benchmark from a folder of the user's: seen by every command, and refused with a sentence where it is none."""

import csv
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from vr1repro.benchmarks import lookup
from vr1repro.config import loader
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.core.records import Response

FACTS = "from clocks import BENCHMARK\n"
TIMES = [f"{hour:02}:{5 * hour:02}" for hour in range(12)]


def rows() -> list[dict[str, Any]]:
    return [
        {"clock": f"c{number}", "question": "What time is it?", "answer": time, "dial": number // 2}
        for number, time in enumerate(TIMES)
    ]


def folder_of(parent: Path, name: str, files: dict[str, str]) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file).write_text(text)
    return folder


WHOLE = {"__init__.py": "", "adapter.py": "", "prompts.py": "", "profiles.py": ""}


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("empty", {}, "not a benchmark's folder: it has no __init__.py"),
        ("half", {"__init__.py": "", "prompts.py": ""}, "has no adapter.py, profiles.py; docs/benchmarks.md"),
        ("mathvista", WHOLE, "'mathvista' is taken by a benchmark, adapter or Python module; rename the folder"),
        ("json", WHOLE, "'json' is taken by a benchmark, adapter or Python module"),
        ("problems", WHOLE, "'problems' is taken"),
        ("my_clocks", WHOLE, "small letters and digits, a letter first"),
    ],
)
def test_what_is_no_benchmark_is_refused(
    folders: None, tmp_path: Path, name: str, files: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        benchmark_folders.use([folder_of(tmp_path, name, files)])
    assert "\n" not in str(error.value)
    assert benchmark_folders.further() == {}


def test_modules_without_their_names_are_refused_when_they_are_needed(folders: None, tmp_path: Path) -> None:
    benchmark_folders.use([folder_of(tmp_path, "bare", WHOLE)])
    for part in (lookup.facts, lookup.adapter, lookup.prompts, lookup.profiles):
        with pytest.raises(UserError, match=r"\.py: defines no (BENCHMARK|adapt|PROMPTS|PROFILES); docs/benchmarks"):
            part("bare")


def test_facts_of_another_folder_are_refused(toy: Path, tmp_path: Path) -> None:
    benchmark_folders.use([folder_of(tmp_path, "other", {**WHOLE, "__init__.py": FACTS})])
    with pytest.raises(UserError, match="the slug 'clocks'; it must be the folder's name"):
        lookup.facts("other")


def test_a_folder_is_named_twice_and_two_of_one_name_are_refused(toy: Path, tmp_path: Path) -> None:
    benchmark_folders.use([toy])
    with pytest.raises(UserError, match="is taken"):
        benchmark_folders.use([folder_of(tmp_path, "clocks", WHOLE)])
    assert benchmark_folders.further() == {"clocks": toy}


def command(cwd: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vr1repro", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


def output(cwd: Path, *words: str | Path) -> str:
    done = command(cwd, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def work(repo: Path, tmp_path: Path) -> Path:
    """A user's folder: the benchmark in `mine/`, its questions, and a model's responses."""
    copied = tmp_path / "mine" / "clocks"
    shutil.copytree(repo / "tests" / "toy_benchmark" / "clocks", copied, ignore=shutil.ignore_patterns("__pycache__"))
    write_rows(tmp_path / "clocks.jsonl", rows())
    # Four are right as texts and as times, four as times alone, and four are no time.
    replies = [*TIMES[:4], *(time.removeprefix("0") for time in TIMES[4:8]), *["noon"] * 4]
    write_rows(
        tmp_path / "responses.jsonl",
        [{"id": f"c{number}", "response": f"<answer>{text}</answer>"} for number, text in enumerate(replies)],
    )
    return tmp_path


FOLDER = ("--benchmark-folder", "mine/clocks")


def test_the_command_line_names_what_is_wrong(work: Path) -> None:
    done = command(work, "tasks", "--list", "--benchmark-folder", "mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {work / 'mine'}: not a benchmark's folder: it has no __init__.py\n"


def test_the_listing_and_the_lm_eval_tasks_have_it(work: Path) -> None:
    listed = output(work, "tasks", "--list", *FOLDER)
    assert 'lm_eval --include_path "$(vr1repro tasks)" --tasks vr1_clocks' in listed.splitlines()
    assert "clocks" not in output(work, "tasks", "--list")


def test_lm_eval_finds_loads_and_scores_it(toy: Path, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    from lm_eval.tasks import TaskManager

    from vr1repro.evaluation.task_files import write_tasks

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    picture = io.BytesIO()
    Image.new("RGB", (28, 28), "white").save(picture, format="PNG")
    (tmp_path / "dial.png").write_bytes(picture.getvalue())
    write_rows(tmp_path / "clocks.jsonl", [{**row, "picture": "dial.png"} for row in rows()])
    manager = TaskManager(
        include_path=str(write_tasks(tmp_path / "tasks")),
        include_defaults=False,
        metadata={"data": {"clocks": str(tmp_path / "clocks.jsonl")}},
    )
    assert {"vr1_clocks", "vr1_clocks_cot"} <= set(manager.all_tasks)
    task = manager.load(["vr1_clocks_cot"])["tasks"]["vr1_clocks_cot"]
    docs = list(task.dataset["test"])
    assert task.doc_to_text(docs[1]) == "<image>Clock c1, dial 0. What time is it? Think first."
    replies = ["<answer>1:05</answer>", "<answer>1:06</answer>"]
    assert [task.process_results(docs[1], [reply])["acc"] for reply in replies] == [1.0, 0.0]


def test_tasks_of_a_benchmark_that_is_named_no_longer_are_removed(toy: Path, tmp_path: Path) -> None:
    from vr1repro.evaluation.task_files import write_tasks

    assert (write_tasks(tmp_path) / "vr1_clocks.yaml").is_file()
    benchmark_folders._further.clear()
    assert list(write_tasks(tmp_path).glob("*toy*")) == []


def test_grade_scores_it_in_grading_processes(work: Path) -> None:
    files = ("--responses", "responses.jsonl", "--questions", "clocks.jsonl", *FOLDER)
    lines = output(work, "grade", "--benchmark", "clocks", "--out", "verdicts.jsonl", *files).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "overall all 66.67 8/12",
        "half night 100.00 6/6",
        "half day 33.33 2/6",
    ]
    verdicts = [json.loads(line) for line in (work / "verdicts.jsonl").read_text().splitlines()]
    assert [row["id"] for row in verdicts] == [f"c{number}" for number in range(12)]
    shown = output(work, "compare-graders", "--benchmark", "clocks", "--out", "graders", *files)
    assert {"rule", "text"} == {path.stem for path in (work / "graders" / "verdicts").glob("*.jsonl")}
    assert "text" in shown


def test_overlap_finds_its_questions(work: Path) -> None:
    output(
        work, "overlap", "--problems", "clocks.jsonl", "--benchmark", "clocks=clocks.jsonl", "--out", "overlap",
        *FOLDER,
    )  # fmt: skip
    table = json.loads((work / "overlap" / "overlap.json").read_text())["table"]
    assert {(row["source"], row["benchmark"]) for row in table} == {("clocks", "clocks")}


def test_what_no_profile_reads_no_llm_writes(work: Path) -> None:
    done = command(
        work, "extract", "--benchmark", "clocks", "--responses", "responses.jsonl", "--questions",
        "clocks.jsonl", "--out", "extracted.jsonl", "--cache", "cache.jsonl", "--model", "m", *FOLDER,
    )  # fmt: skip
    assert done.returncode == 2
    assert "clocks: no profile reads an LLM's extraction" in done.stderr


def test_compare_shows_it(work: Path) -> None:
    output(
        work, "compare", "--responses", "responses.jsonl", "--benchmark", "clocks", "--questions",
        "clocks.jsonl", "--out", "compared", *FOLDER,
    )  # fmt: skip
    with (work / "compared" / "tables" / "scores.csv").open() as stream:
        scores = {row["subset"]: row for row in csv.DictReader(stream) if row["metric"] == "accuracy_%"}
    shown = {name: (round(float(row["value"]), 2), int(row["n"]), int(row["clusters"])) for name, row in scores.items()}
    # What `grade` prints, with two clocks a dial.
    assert shown == {"overall": (66.67, 12, 6), "half-day": (33.33, 6, 3), "half-night": (100.0, 6, 3)}
    page = "".join(path.read_text() for path in (work / "compared" / "report").rglob("*.html"))
    assert "Clocks" in page or "clocks" in page


def config_with_clocks(repo: Path, name: str) -> dict[str, Any]:
    values = yaml.safe_load((repo / "config" / f"{name}.yaml").read_text())
    values["benchmark_folders"] = ["mine/clocks"]
    values["benchmarks"]["clocks"] = {"kind": "path", "path": "clocks.jsonl", "adapter": "clocks"}
    values["evaluation"]["benchmarks"].append("clocks")
    return values


def test_the_plan_counts_its_questions(repo: Path, work: Path) -> None:
    def answers(name: str, values: dict[str, Any]) -> int:
        (work / name).write_text(yaml.safe_dump(values))
        match = re.search(r"([\d,]+) first answers", output(work, "plan", "--configfile", name))
        assert match is not None
        return int(match[1].replace(",", ""))

    values = config_with_clocks(repo, "paper")
    more = answers("with.yaml", values)
    values["evaluation"]["benchmarks"].remove("clocks")
    more -= answers("without.yaml", values)
    assert more > 0
    assert more % (12 * len(values["seeds"]["evaluation"])) == 0


def test_a_config_names_the_key_of_a_bad_folder(repo: Path, folders: None) -> None:
    values = {**config_with_clocks(repo, "micro"), "benchmark_folders": ["nowhere"]}
    with pytest.raises(UserError, match=r"benchmark_folders.*nowhere: not a benchmark's folder"):
        loader.check(values, "config")


@pytest.mark.slow
def test_the_workflow_and_its_jobs_have_it(repo: Path, work: Path) -> None:
    """The folder's path is from the working directory, for the rules and for the jobs that they start."""
    values = config_with_clocks(repo, "smoke")
    values["evaluation"]["benchmarks"] = values["selection"]["benchmarks"] = ["clocks"]
    (work / "config.yaml").write_text(yaml.safe_dump(values))
    snakemake = [sys.executable, "-m", "snakemake", "-s", str(repo / "Snakefile"), "--directory", str(work),
                 "--configfile", str(work / "config.yaml"), "--cores", "1"]  # fmt: skip
    root = Path("results/smoke")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*snakemake, root / "problems/clocks/manifest.json"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for seed in values["seeds"]["evaluation"]:
        folder = work / root / "eval/base_s0/clocks/single" / f"e{seed}"
        write_rows(folder / "responses.jsonl", [
            Response(run="smoke", model="base_s0", arm="base", eval_seed=seed, protocol="single", benchmark="clocks",
                     id=row["id"], prompt_sha="", response=row["response"])
            for _, row in read_lines(work / "responses.jsonl")
        ])  # fmt: skip
    resolved = ("--config", root / "config.yaml")
    output(
        work, "stage", "grade", *resolved, "--checkpoint", "base_s0", "--benchmark", "clocks", "--out",
        root / "eval/base_s0/clocks",
    )  # fmt: skip
    assert (work / root / "eval/base_s0/clocks/verdicts.json").is_file()
    output(work, "stage", "tables", *resolved, "--out", root / "tables")
    with (work / root / "tables" / "scores.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["metric"] == "accuracy_%" and row["subset"] == "overall"]
    assert {(row["arm"], row["benchmark"], row["profile"], row["n"], row["value"]) for row in rows} == {
        ("base", "clocks", "rule", "24", "66.6667"),
        ("base", "clocks", "text", "24", "33.3333"),
    }


@pytest.mark.parametrize("slug", benchmark_folders.slugs())
def test_each_benchmark_says_what_equals_the_official_code(slug: str) -> None:
    text = (benchmark_folders.folder_of(slug) / "README.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[1:] == ["## Equivalence", "## Quirks that are kept", "## Known differences"]
    assert [name for name in lookup.profiles(slug) if f"`{name}" not in text] == []
    assert [style for style in lookup.prompts(slug) if f"`{style}`" not in text] == []
