"""Where numbers came from: the right files, the right weights, and the chain between them."""

import json
from pathlib import Path

import pytest

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.provenance import write_manifest
from vr1repro.published import load_values
from vr1repro.reporting.claims.comparison import compare_published
from vr1repro.reporting.lineage.sources import Sources
from vr1repro.reporting.page.number_sources import NumberSources, manifests
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.table import all_tables


@pytest.fixture(scope="module")
def data(results: Results) -> dict[str, dict[str, object]]:
    sources = NumberSources(Sources(results))
    for table in all_tables(results):
        sources.add_table(table)
    for row in compare_published(load_values(), results):
        sources.add_comparison(row.published.id, row)
    return sources.as_data()


def files_of(data: dict[str, dict[str, object]], key: str) -> set[str]:
    number = data["numbers"][key]
    return {data["files"][k][0] for k in data["sets"][number["files"]]}  # type: ignore[index,call-overload]


CELLS = {
    "arms:Vision-R1-Zero:mmmath": ("zero_s1", {"mmmath"}),
    "T1:Vision-R1-7B:MathVista": ("vision-r1_s1", {"mathvista"}),
    "T5:Vision-R1 (Ours), last step:Avg": ("vision-r1_s1", {"mathvista", "mathverse", "mmmath"}),
    "T1:Vision-R1-CI:MathVerse": ("ci_s1", {"mathverse"}),  # an arm that the paper's table lacks
}


@pytest.mark.parametrize("key", CELLS)
def test_a_score_rests_on_its_responses_verdicts_and_questions(data: dict[str, dict[str, object]], key: str) -> None:
    model, benchmarks = CELLS[key]
    expected = {f"problems/{benchmark}/test.parquet" for benchmark in benchmarks}
    for benchmark in benchmarks:
        for seed in (1, 2):
            place = f"eval/{model}/{benchmark}/single/e{seed}"
            expected |= {f"{place}/responses.jsonl", f"{place}/verdicts/rule.jsonl"}
    assert files_of(data, key) == expected


def test_a_best_score_rests_on_the_choice_and_on_the_answers_that_decided(data: dict[str, dict[str, object]]) -> None:
    files = files_of(data, "T5:Vision-R1 (Ours):MathVista")
    assert "eval/vision-r1_s1/selected.json" in files
    assert {path.split("/")[4] for path in files if path.endswith(".jsonl") and path.startswith("eval/")} == {"e1"}


def test_a_length_rests_on_its_completions_and_a_word_on_the_set(data: dict[str, dict[str, object]]) -> None:
    assert files_of(data, "T3:Vision-R1 (Ours):Avg. Len.") == {"lengths/vision-r1_s1/e1/responses.jsonl"}
    word = next(key for key in data["numbers"] if key.startswith("T4:") and key.endswith(":Wait"))
    assert files_of(data, word) == {"coldset/traces.jsonl"}


def test_every_number_of_ours_has_its_sources(data: dict[str, dict[str, object]], results: Results) -> None:
    numbers = data["numbers"]
    shown = {
        f"{table.key}:{line.name}:{column}"
        for table in all_tables(results)
        for line in table.lines
        for column, cell in zip(table.columns, line.cells, strict=True)
        if cell.ours is not None
    }
    assert shown <= set(numbers)
    assert all(data["sets"][number["files"]] for number in numbers.values())  # type: ignore[index,call-overload]
    json.dumps(data, allow_nan=False)


def test_manifests_by_their_content(tmp_path: Path) -> None:
    run = Results.load(tmp_path, {}, ReportSettings(), comparable=False)
    for name in ("models/tiny", "train/ci/s1/sft/final"):
        (tmp_path / name).mkdir(parents=True)
    base = write_manifest(tmp_path / "models/tiny", "model", {}, {})
    made = write_manifest(tmp_path / "train/ci/s1/sft/final", "model", {"a": 1}, {"model": base["content_sha"]})
    found = manifests(Sources(run))
    assert found[made["content_sha"]]["path"] == "train/ci/s1/sft/final"
    assert found[made["content_sha"]]["inputs"] == {"model": base["content_sha"]}
    assert found[base["content_sha"]]["commit"] == base["made"]["commit"]
