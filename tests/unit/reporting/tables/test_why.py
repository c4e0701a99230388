"""From a table's cell down to responses and checkpoints."""

import json
import re
from pathlib import Path

import pytest
from synthetic_run import arm_infos, write_run

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import file_sha, write_manifest
from vr1repro.reporting.lineage.sources import FILE, Sources
from vr1repro.reporting.page.number_sources import manifests
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables import why
from vr1repro.reporting.tables.build import write_table_sources
from vr1repro.reporting.tables.table import all_tables


def test_each_cell_knows_its_files(results: Results, tmp_path: Path) -> None:
    tables = all_tables(results)
    path = write_table_sources(tmp_path, tables, Sources(results))
    written = json.loads(path.read_text())
    cell = written["cells"]["T1:Vision-R1-7B:MathVista"]
    named = [written["files"][k] for k in cell["files"]]
    assert {file["path"] for file in named} == {
        "problems/mathvista/test.parquet",
        *(f"eval/vision-r1_s1/mathvista/single/e{e}/responses.jsonl" for e in (1, 2)),
        *(f"eval/vision-r1_s1/mathvista/single/e{e}/verdicts/rule.jsonl" for e in (1, 2)),
    }
    for file in named:
        assert file["sha256"] == file_sha(results.run / file["path"])
    for table in tables:
        for line in table.lines:
            for column, place in zip(table.columns, line.cells, strict=True):
                if place.ours is not None:
                    assert written["cells"][f"{table.key}:{line.name}:{column}"]["files"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T3:Vision-R1-CI:Avg. Len.", {"lengths/ci_s1/e1/responses.jsonl"}),
        ("T4:Vision-R1-cold:Wait", {"coldset/traces.jsonl"}),
    ],
)
def test_lengths_come_from_completions_and_words_from_traces(results: Results, name: str, expected: set[str]) -> None:
    tables = list(all_tables(results))
    row = next(line.name for t in tables if t.key == "T4" for line in t.lines if line.arm == "coldset")
    place = why.find(tables, name.replace("Vision-R1-cold", row))
    assert set(Sources(results).of(place.cell.target)) == expected


@pytest.fixture
def traced(tmp_path: Path, settings: ReportSettings) -> tuple[Results, Path]:
    """A run whose Vision-R1 has manifests: a base, a checkpoint made of it, and the responses' own run.json."""
    run = tmp_path / "run"
    write_run(run, 6)
    (run / "config.yaml").write_text("run: traced\n")
    base = run / "models" / "tiny"
    base.mkdir(parents=True)
    (base / "model.safetensors").write_bytes(b"0")
    parent = write_manifest(base, "model", {"seed": 5}, {})
    step = run / "train" / "vision-r1" / "s1" / "stage2" / "step40"
    step.mkdir(parents=True)
    (step / "model.safetensors").write_bytes(b"1")
    inputs = {"model": parent["content_sha"], "problems": "f" * 64}
    made = write_manifest(step, "model", {"seed": 1, "step": 40}, inputs)
    content = {"model": "vision-r1_s1", "model_sha": made["content_sha"], "seed": 1, "generation": {"temperature": 1}}
    for seed in (1, 2):
        folder = run / "eval" / "vision-r1_s1" / "mathvista" / "single" / f"e{seed}"
        (folder / "run.json").write_text(json.dumps({"content": content | {"seed": seed}, "made": made["made"]}))
    return Results.load(run, arm_infos(), settings, comparable=False), step


def test_a_set_that_was_recorded_by_a_files_hash_is_found(traced: tuple[Results, Path]) -> None:
    results, step = traced
    problems = results.run / "problems" / "rl"
    problems.mkdir(parents=True)
    (problems / "problems.parquet").write_bytes(b"2")
    folder = write_manifest(problems, "problems", {"seed": 5}, {})
    (step / "manifest.json").unlink()
    made = write_manifest(step, "model", {"seed": 1}, {"problems": file_sha(problems / "problems.parquet")})
    for path in (results.run / "eval" / "vision-r1_s1" / "mathvista" / "single").glob("e*/run.json"):
        written = json.loads(path.read_text())
        written["content"]["model_sha"] = made["content_sha"]
        path.write_text(json.dumps(written))
    text = why.explain(results, results.run / "config.yaml", "t1:vision-r1:mathvista")
    assert f"problems (problems.parquet): problems/rl  {folder['content_sha'][:12]}" in text
    assert "is not in this run's files" not in text
    assert manifests(Sources(results))[made["content_sha"]]["inputs"] == {
        "problems (problems.parquet)": folder["content_sha"]
    }


def test_the_chain_ends_at_the_first_model(traced: tuple[Results, Path]) -> None:
    results, step = traced
    text = why.explain(results, results.run / "config.yaml", "t1:vision-r1:mathvista")
    manifest = json.loads((step / "manifest.json").read_text())
    assert "paper: 73.5 (claim, v4.table-1.vision-r1-7b" in text
    assert f"model vision-r1_s1: train/vision-r1/s1/stage2/step40  {manifest['content_sha'][:12]}" in text
    assert re.search(r"model: models/tiny  \w{12}, commit \w+", text)
    assert f"weights model.safetensors  {file_sha(step / 'model.safetensors')[:12]}" in text
    assert "problems: ffffffffffff (its manifest is not in this run's files)" in text
    assert f"config.yaml sha256 {file_sha(results.run / 'config.yaml')[:12]}" in text
    assert text.count("responses.jsonl") == 2


def test_a_changed_file_is_noticed(traced: tuple[Results, Path]) -> None:
    results, _ = traced
    write_table_sources(results.run / "tables", all_tables(results), Sources(results))
    config, name = results.run / "config.yaml", "T1:Vision-R1-7B:MathVista"
    assert (results.run / "tables" / FILE).exists()
    assert "as when tables/ was written" in why.explain(results, config, name)
    responses = results.run / "eval/vision-r1_s1/mathvista/single/e1/responses.jsonl"
    responses.write_text(responses.read_text().replace("3+5=8", "3+5=9"))
    assert "CHANGED since tables/ was written" in why.explain(results, config, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("T1:Vision-R1-7B", "must be <table>:<row>:<column>"),
        ("T9:Vision-R1-7B:MathVista", "no table `T9`"),
        ("T1:Visoin-R1-7B:MathVista", "did you mean Vision-R1-7B"),
        ("T1:Vision-R1-7B:MathVist", "did you mean MathVista"),
    ],
)
def test_misspelt_cells_are_named(results: Results, name: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        why.find(list(all_tables(results)), name)


def test_a_cell_without_ours_says_why(results: Results) -> None:
    text = why.explain(results, results.run / "coldset" / "yield.json", "T1:GPT-4o:MathVista")
    assert "ours: none. quoted baseline" in text
