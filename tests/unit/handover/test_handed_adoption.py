"""`vr1repro adopt`: what an engine wrote comes back as a model folder, or is refused with the place and the fix."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from handed_stages import Run, json_lines, with_template
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import read_manifest
from vr1repro.handover.adopt import ADOPTED, adopt
from vr1repro.handover.counterparts import COUNTERPARTS
from vr1repro.handover.engines import ENGINES
from vr1repro.handover.export import export_stage
from vr1repro.handover.stage import HandedStage
from vr1repro.jobs import elsewhere

pytestmark = pytest.mark.slow


def history(steps: int, planned: int) -> dict[str, Any]:
    """trainer_state.json of a fine-tuning."""
    rows = [
        {"step": step, "loss": 3 - step / 10, "grad_norm": 1.5, "learning_rate": 1e-5, "epoch": step / planned}
        for step in range(1, steps + 1)
    ]
    end = [{"step": steps, "train_runtime": 1.0, "train_loss": 2.9}]
    return {"global_step": steps, "max_steps": planned, "log_history": [*rows, *end]}


@pytest.fixture
def fine_tuned(run: Run, tmp_path: Path) -> Path:
    """An export for LLaMA-Factory with what that writes at its end."""
    stage = run.stage("ci", 0)
    out = tmp_path / "export"
    export_stage(stage, ENGINES["llama-factory"], out)
    made = out / "checkpoints"
    made.mkdir()
    shutil.copyfile(stage.model / "model.safetensors", made / "model.safetensors")
    (made / "config.json").write_text("{}")
    (made / "training_args.bin").write_bytes(b"\x80\x04.")  # a pickle: never copied, never opened
    (made / "trainer_state.json").write_text(json.dumps(history(3, 3)))
    (out / "logs" / "versions.json").write_text(json.dumps({"llamafactory": "0.9.5"}))
    return out


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Path:
    """An export for verl with merged weights and its log."""
    stage = run.stage("vision-r1", 1)
    out = tmp_path / "export"
    export_stage(stage, ENGINES["verl"], out, approximate=True)
    made = out / "checkpoints" / "global_step_10"
    made.mkdir(parents=True)
    shutil.copyfile(stage.model / "model.safetensors", made / "model.safetensors")
    rows = [
        {"step": step, "data": {"critic/score/mean": 0.1, "response_length/mean": 9.0, "actor/grad_norm": 0.5}}
        for step in range(1, 11)
    ]
    # Killed after step 7 and started again from the checkpoint of step 4.
    for name, part in (("experiment-1.jsonl", rows[:7]), ("experiment-2.jsonl", rows[4:])):
        (out / "logs" / name).write_text("".join(json.dumps(row) + "\n" for row in part))
    (out / "logs" / "versions.json").write_text(json.dumps({"verl": "0.9.1"}))
    return out


def test_a_fine_tuning_comes_back(fine_tuned: Path, run: Run, tmp_path: Path) -> None:
    words = ["adopt", "--engine", "llama-factory", str(fine_tuned / "checkpoints"), "--for", "ci", "--stage", "0"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "m")])
    assert done.exit_code == 0, done.output
    assert f"starts.ci.adopted: {tmp_path / 'm'}" in done.output
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert {"model.safetensors", "tokenizer.json", "processor_config.json", "steps.jsonl", COUNTERPARTS} <= names
    assert "training_args.bin" not in names
    assert [row["loss"] for row in json_lines(tmp_path / "m" / "steps.jsonl")] == [2.9, 2.8, 2.7]
    content = read_manifest(tmp_path / "m")["content"]
    assert content["facts"]["engine_versions"] == {"llamafactory": "0.9.5"}
    assert content["settings"][ADOPTED]["values"]["sft.batch"] == 32
    # Our own loader opens it.
    from transformers import AutoModelForImageTextToText, AutoProcessor

    AutoProcessor.from_pretrained(tmp_path / "m")
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "m").num_parameters() > 1000
    # In the place of the stage it is what our own training leaves.
    stage = run.stage("ci", 0)
    elsewhere.take_adopted(stage, str(tmp_path / "m"), tmp_path / "sft", "")
    manifest = read_manifest(tmp_path / "sft")["content"]
    assert (manifest["kind"], manifest["facts"]["steps"]) == ("sft", 3)
    assert {"final/model.safetensors", "steps.jsonl", COUNTERPARTS} <= manifest["files"].keys()


def test_a_stage_comes_back_with_the_log_of_every_start(trained: Path, run: Run, tmp_path: Path) -> None:
    adopt(trained / "checkpoints" / "global_step_10", ENGINES["verl"], "vision-r1", 1, tmp_path / "m")
    rows = json_lines(tmp_path / "m" / "steps.jsonl")
    assert [(row["arm"], row["stage"], row["step"]) for row in rows] == [
        ("vision-r1", 1, step) for step in range(1, 11)
    ]
    assert rows[0]["reward"] == 0.1
    elsewhere.take_adopted(run.stage("vision-r1", 1), str(tmp_path / "m"), tmp_path / "stage1", "")
    assert (tmp_path / "stage1" / "step10" / "model.safetensors").is_file()
    assert read_manifest(tmp_path / "stage1")["content"]["facts"]["completions"] == 10 * 4 * 16


def test_an_adopted_stage_must_be_the_configs(fine_tuned: Path, run: Run, tmp_path: Path) -> None:
    adopt(fine_tuned / "checkpoints", ENGINES["llama-factory"], "ci", 0, tmp_path / "m")

    def refused(stage: HandedStage) -> str:
        with pytest.raises(UserError) as error:
            elsewhere.take_adopted(stage, str(tmp_path / "m"), tmp_path / "sft", "")
        return str(error.value)

    message = refused(run.stage("ci", 0, learning_rate=1e-5, weight_decay=0.5))
    assert "was trained with other values than the config's ci-s1-sft: sft.learning_rate, sft.weight_decay;" in message
    assert "other values than the config's ci-s2-sft: seed;" in refused(replace(run.stage("ci", 0), seed=2))
    other = with_template(run.stage("ci", 0).model, run.stage("ci", 0).model / "config.json", tmp_path / "other")
    assert "was trained from other weights than" in refused(replace(run.stage("ci", 0), model=other))
    with pytest.raises(UserError, match=r"is no model that `vr1repro adopt` made; adopt it first"):
        elsewhere.take_adopted(run.stage("ci", 0), str(run.stage("ci", 0).model), tmp_path / "sft", "")
    # How it was spread over devices is no part of what was learnt.
    elsewhere.take_adopted(run.stage("ci", 0, device_batch=8), str(tmp_path / "m"), tmp_path / "sft", "")
    assert (tmp_path / "sft" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"engine": "verl"}, "was exported for llama-factory, ci stage 0, not for verl, ci stage 0"),
        ({"name": "zero"}, "was exported for llama-factory, ci stage 0, not for llama-factory, zero stage 0"),
        ({"number": 1}, "not for llama-factory, ci stage 1; correct --engine, --for or --stage"),
        ({"state": history(2, 3)}, "ended at step 2 of 3; let LLaMA-Factory finish it"),
        ({"state": None}, "no step log of LLaMA-Factory in it; name it with --log"),
        ({"weights": None}, "holds neither *.safetensors nor shards of LLaMA-Factory"),
        ({"weights": b"\x08"}, "not a safetensors file, or cut off"),
        ({"tensors": {"a": [2, 2]}}, "its tensors are not those of"),
    ],
)
def test_what_is_not_taken_back(change: dict[str, Any], message: str, fine_tuned: Path, tmp_path: Path) -> None:
    made = fine_tuned / "checkpoints"
    if "state" in change:
        (made / "trainer_state.json").unlink()
        if change["state"]:
            (made / "trainer_state.json").write_text(json.dumps(change["state"]))
    if "weights" in change:
        (made / "model.safetensors").unlink()
        if change["weights"]:
            (made / "model.safetensors").write_bytes(change["weights"])
    if "tensors" in change:
        import torch
        from safetensors.torch import save_file

        save_file({name: torch.zeros(shape) for name, shape in change["tensors"].items()}, made / "model.safetensors")
    of = ENGINES[change.get("engine", "llama-factory")]
    with pytest.raises(UserError) as refused:
        adopt(made, of, change.get("name", "ci"), change.get("number", 0), tmp_path / "m")
    assert message in str(refused.value)
    assert not (tmp_path / "m").exists()


def test_shards_are_not_opened_untrusted(trained: Path, tmp_path: Path) -> None:
    made = trained / "checkpoints" / "global_step_10"
    (made / "model.safetensors").unlink()
    (made / "actor").mkdir()
    # A pickle that would leave a file behind if anybody opened it.
    mark = tmp_path / "opened"
    (made / "actor" / "model_world_size_2_rank_0.pt").write_bytes(
        b"cos\nsystem\n(S'touch " + os.fsencode(mark) + b"'\ntR."
    )
    with pytest.raises(UserError, match=r"holds pickled shards.* say --trust, and the engine's own merger opens them"):
        adopt(made, ENGINES["verl"], "vision-r1", 1, tmp_path / "m")
    assert not mark.exists()


def test_a_checkpoint_of_the_way_is_no_end(trained: Path, tmp_path: Path) -> None:
    made = trained / "checkpoints" / "global_step_10"
    made.rename(made.with_name("global_step_5"))
    with pytest.raises(UserError, match="is of step 5, the stage ends at step 10"):
        adopt(made.with_name("global_step_5"), ENGINES["verl"], "vision-r1", 1, tmp_path / "m")


def test_a_folder_outside_needs_its_export(fine_tuned: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(fine_tuned / "checkpoints", moved)
    llama_factory = ENGINES["llama-factory"]
    with pytest.raises(UserError, match=r"lies in no export .* name its folder with --export"):
        adopt(moved, llama_factory, "ci", 0, tmp_path / "m")
    adopt(moved, llama_factory, "ci", 0, tmp_path / "m", export=fine_tuned)
    assert (tmp_path / "m" / "steps.jsonl").exists()
