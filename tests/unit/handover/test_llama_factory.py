"""LLaMA-Factory on an export: rows equal to ours, three steps with equal losses, its keys, and a stage in the workflow.

`make verify` runs these in LLaMA-Factory's own environment (`make env-llama-factory`).
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handed_stages import Run, json_lines, of_model, with_template
from our_rows import sft_batches

from vr1repro.config.loader import load
from vr1repro.core.provenance import read_manifest
from vr1repro.handover.counterparts import COUNTERPARTS
from vr1repro.handover.engines import ENGINES
from vr1repro.handover.export import export_stage
from vr1repro.handover.stage import HandedStage, handed_stage
from vr1repro.jobs import elsewhere

LLAMA_FACTORY = ENGINES["llama-factory"]
pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def real_template() -> Path:
    """Qwen2.5-VL's own chat template, which TRL ships."""
    import trl

    return Path(trl.__file__).parent / "chat_templates" / "qwen2_5_vl.jinja"


def exported(stage: HandedStage, out: Path) -> Path:
    export_stage(stage, LLAMA_FACTORY, out)
    return out


def theirs(engine_python: Callable[..., Any], export: Path) -> list[dict[str, Any]]:
    engine_python("llama-factory", "rows", export / "stage.yaml", export / "rows.jsonl")
    return json_lines(export / "rows.jsonl")


def test_every_row_of_the_micro_cold_set_is_equal(
    repo: Path, tmp_path: Path, engine_python: Callable[..., Any], real_template: Path
) -> None:
    """Token ids, label masks, pixels and grids, under Qwen2.5-VL's real chat template."""
    results = repo / "results"
    if not (results / "micro" / "coldset" / "manifest.json").exists():
        pytest.skip("results/micro has no cold-start set: run `make micro` first")
    stage = handed_stage(load(results / "micro" / "config.yaml"), "ci", 0, 1, str(results))
    stage = of_model(stage, with_template(stage.model, real_template, tmp_path / "model"))
    export = exported(stage, tmp_path / "export")
    mine, other = sft_batches(stage), theirs(engine_python, export)
    assert len(mine) == len(other) > 2000
    for key in ("ids", "labels", "pixels", "grid"):
        assert sum(a[key] == b[key] for a, b in zip(mine, other, strict=True)) == len(mine), key


def test_rows_over_the_cutoff_are_left_out_and_the_templates_system_turn_is_kept(
    run: Run, tmp_path: Path, engine_python: Callable[..., Any], real_template: Path
) -> None:
    model = with_template(run.stage("ci", 0).model, real_template, tmp_path / "model")
    lengths = sorted(len(row["ids"]) for row in sft_batches(of_model(run.stage("ci", 0), model)))
    stage = of_model(run.stage("ci", 0, cutoff=lengths[48]), model)
    export = exported(stage, tmp_path / "export")
    assert theirs(engine_python, export) == sft_batches(stage)
    facts = read_manifest(export)["content"]["facts"]
    kept = sum(length <= lengths[48] for length in lengths)
    assert (facts["rows"], facts["rows_too_long"]) == (kept, 96 - kept)
    assert kept < 96


def test_pixel_limits_and_the_labs_template_are_ours(
    run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    stage = run.stage("ci", 0, min_image_pixels=5000, max_image_pixels=9000)
    export = exported(stage, tmp_path / "export")
    assert narrow_pictures(export) == (0, "exact")
    assert theirs(engine_python, export) == sft_batches(stage)


def test_pictures_that_it_would_widen_are_counted(run: Run, tmp_path: Path) -> None:
    """Scaled down below 28 pixels a side, they get another grid there."""
    count, likeness = narrow_pictures(exported(run.stage("ci", 0, max_image_pixels=2000), tmp_path / "export"))
    assert 0 < count <= 96
    assert likeness == "approximate"


def narrow_pictures(export: Path) -> tuple[int, str]:
    rows = json.loads((export / COUNTERPARTS).read_text())["keys"]
    (row,) = [row for row in rows if row["key"] == "pictures.narrow"]
    return row["value"], row["likeness"]


def test_answers_alone_are_learnt_where_a_start_says_so(
    run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    stage = run.stage("zero-sft-ptst", 0)
    assert stage.completions == "answers"
    assert theirs(engine_python, exported(stage, tmp_path / "export")) == sft_batches(stage)


@pytest.mark.parametrize("by_length", [True, False])
def test_three_steps_have_equal_losses(
    run: Run, tmp_path: Path, engine_python: Callable[..., Any], by_length: bool
) -> None:
    """Through run.sh and the way back: its log is our steps.jsonl, its weights are ours."""
    from safetensors.torch import load_file

    from vr1repro.training import sft

    engine_python("llama-factory", "keys", tmp_path / "keys.txt")  # skips where it is not here
    stage = run.stage("ci", 0, group_by_length=by_length, batch=32, device_batch=8)
    elsewhere.train_elsewhere(stage, LLAMA_FACTORY, False, tmp_path / "theirs", "", lambda line: None)
    sft.train(stage.config.sft, stage.model, stage.source, "chains", 1, 1, tmp_path / "ours")
    mine, other = json_lines(tmp_path / "ours" / "steps.jsonl"), json_lines(tmp_path / "theirs" / "steps.jsonl")
    assert [row["step"] for row in mine] == [row["step"] for row in other] == [1, 2, 3]
    for key in ("loss", "grad_norm", "learning_rate"):
        assert [row[key] for row in other] == pytest.approx([row[key] for row in mine], rel=1e-4, abs=0), key
    weights = [load_file(tmp_path / side / "final" / "model.safetensors") for side in ("ours", "theirs")]
    assert weights[0].keys() == weights[1].keys()
    assert max((weights[0][name] - weights[1][name]).abs().max().item() for name in weights[0]) < 1e-5
    # The folder is one of our own training's, with the counterparts beside it.
    manifest = read_manifest(tmp_path / "theirs")["content"]
    assert manifest["kind"] == "sft"
    assert manifest["inputs"] == read_manifest(tmp_path / "ours")["content"]["inputs"]
    assert json.loads((tmp_path / "theirs" / COUNTERPARTS).read_text())["engine"] == "llama-factory"
    versions = read_manifest(tmp_path / "theirs" / "final")["content"]["facts"]["engine_versions"]
    assert versions["llamafactory"] == LLAMA_FACTORY.version


def test_a_finished_stage_is_kept_and_an_adopted_one_takes_its_place(
    run: Run, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    from vr1repro.handover.adopt import adopt

    engine_python("llama-factory", "keys", tmp_path / "keys.txt")
    stage, said = run.stage("ci", 0), list[str]()
    elsewhere.train_elsewhere(stage, LLAMA_FACTORY, False, tmp_path / "out", "", said.append)
    assert said == ["LLaMA-Factory 0.9.5: executed"]
    adopt(tmp_path / "out" / "handover" / "checkpoints", LLAMA_FACTORY, "ci", 0, tmp_path / "adopted")
    elsewhere.take_adopted(stage, str(tmp_path / "adopted"), tmp_path / "again", "")
    first, second = (read_manifest(tmp_path / name / "final")["content"]["files"] for name in ("out", "again"))
    assert first == second
    other = replace(stage, seed=2)
    with pytest.raises(Exception, match=r"was trained with other values than the config's ci-s2-sft: seed"):
        elsewhere.take_adopted(other, str(tmp_path / "adopted"), tmp_path / "third", "")


def test_a_key_that_is_new_is_noticed(tmp_path: Path, engine_python: Callable[..., Any]) -> None:
    engine_python("llama-factory", "keys", tmp_path / "keys.txt")
    kept = Path(__file__).parent / "keys" / "llama-factory.txt"
    assert (tmp_path / "keys.txt").read_text() == kept.read_text(), "decide what a stage says of it (settings.py)"
