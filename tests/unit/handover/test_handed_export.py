"""`vr1repro export`: the folder of each engine, what it refuses, and what its files say."""

import contextlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from handed_stages import Run, with_template
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import ProblemFile, read_problems, write_problems
from vr1repro.core.provenance import read_manifest
from vr1repro.handover.counterparts import COUNTERPARTS
from vr1repro.handover.engines import ENGINES
from vr1repro.handover.export import export_stage
from vr1repro.handover.rows import PICTURE

# Importing torch and transformers alone takes seconds.
pytestmark = pytest.mark.slow
FILES = {"data.parquet", "stage.yaml", "reward.py", "run.sh", COUNTERPARTS, "manifest.json", "content.sha256", "logs"}
MORE = {"llama-factory": {"dataset_info.json"}, "verl": set(), "easyr1": {"model", "chat_template.jinja"}}


def told(run: Run, *words: str) -> Any:
    """The command line, where the run's folder lies."""
    with contextlib.chdir(run.results.parent):
        Path("config.yaml").write_text(yaml.safe_dump(run.config.model_dump(mode="json")))
        return CliRunner().invoke(app, ["export", "--config", "config.yaml", *words], catch_exceptions=True)


@pytest.mark.parametrize(
    ("name", "arm", "stage"), [("llama-factory", "ci", 0), ("verl", "vision-r1", 1), ("easyr1", "zero", 1)]
)
def test_an_export_is_whole(name: str, arm: str, stage: int, run: Run, tmp_path: Path) -> None:
    words = ["--engine", name, "--arm", arm, "--stage", str(stage), "--out", str(tmp_path / "d"), "--approximate"]
    done = told(run, *words)
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "d").iterdir()} == FILES | MORE[name]
    assert ENGINES[name].support in done.output
    content = read_manifest(tmp_path / "d")["content"]
    assert (content["settings"]["arm"], content["settings"]["stage"]) == (arm, stage)
    assert content["facts"]["rows"] == pq.read_metadata(tmp_path / "d" / "data.parquet").num_rows > 10
    rows = json.loads((tmp_path / "d" / COUNTERPARTS).read_text())
    assert sum(rows["counts"].values()) == len(rows["keys"]) > 20
    syntax = subprocess.run(["bash", "-n", str(tmp_path / "d" / "run.sh")], capture_output=True, text=True)
    assert (syntax.returncode, syntax.stderr) == (0, "")
    compile((tmp_path / "d" / "reward.py").read_text(), "reward.py", "exec")
    # It is never written over.
    assert f"{tmp_path / 'd'}: is there already; give a new folder" in str(told(run, *words).exception)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "trl", "--arm", "ci", "--stage", "0"], "--engine trl: no such engine; known: llama-factory"),
        (["--engine", "verl", "--arm", "mine", "--stage", "1"], "--arm mine: no such arm; known: base, ci"),
        (["--engine", "verl", "--arm", "zero", "--stage", "2"], "--stage 2: zero has the stages 1 to 1, and 0 for SFT"),
        (["--engine", "verl", "--arm", "ci", "--stage", "0"], "verl trains stages from 1"),
        (["--engine", "llama-factory", "--arm", "zero", "--stage", "1"], "LLaMA-Factory fine-tunes: give --stage 0"),
        (["--engine", "llama-factory", "--arm", "zero", "--stage", "0"], "the start 'base' is a model"),
        (["--engine", "verl", "--arm", "vision-r1", "--stage", "1"], "rl.generation.ban_placeholders: True cannot be"),
        (["--engine", "verl"], "a stage takes --engine, --config, --arm and --stage"),
        (["--transformers", "4"], "a checkpoint takes --model and --transformers 4"),
    ],
)
def test_what_is_refused_is_said(words: list[str], message: str, run: Run, tmp_path: Path) -> None:
    done = told(run, *words, "--out", str(tmp_path / "d"))
    assert isinstance(done.exception, UserError), done.output
    assert message in str(done.exception)
    assert not (tmp_path / "d").exists()


def test_what_a_stage_starts_from_must_be_there(run: Run, tmp_path: Path) -> None:
    stage = replace(run.stage("vision-r1", 1), model=tmp_path / "model")
    with pytest.raises(UserError, match=r"/model: no manifest\.json: the artefact is missing or half-written"):
        export_stage(stage, ENGINES["easyr1"], tmp_path / "d")


def test_sequence_is_refused_even_as_approximate(run: Run, tmp_path: Path) -> None:
    stage = run.stage("vision-r1", 1, loss="sequence")
    for name in ("verl", "easyr1"):
        with pytest.raises(UserError, match=r"rl\.loss: 'sequence' cannot be handed"):
            export_stage(stage, ENGINES[name], tmp_path / name, approximate=True)


def test_prompts_are_our_stream_and_go_on_in_the_next_stage(run: Run, tmp_path: Path) -> None:
    from vr1repro.training.data import rl_order

    order = rl_order(40, 1, 0, 200)
    problems = ProblemFile(run.stage("vision-r1", 1).source)
    ids = []
    for number, steps in ((1, 10), (2, 40)):
        out = tmp_path / str(number)
        export_stage(run.stage("vision-r1", number), ENGINES["verl"], out, approximate=True)
        rows = pq.read_table(out / "data.parquet").to_pylist()
        assert len(rows) == 4 * steps
        ids += [row["extra_info"]["id"] for row in rows]
    assert ids == [problems[place].id for place in order]
    row = pq.read_table(tmp_path / "1" / "data.parquet").slice(0, 1).to_pylist()[0]
    first = problems[order[0]]
    assert row["prompt"][0]["content"].startswith(PICTURE + first.question)
    assert row["reward_model"]["ground_truth"] == first.answer
    # The checkpoint's own limits: else verl's reader would enlarge small pictures.
    assert (row["images"][0]["min_pixels"], row["images"][0]["max_pixels"]) == (784, 50176)


@pytest.mark.parametrize("marker", ["<image>", "<video>"])
def test_a_text_that_an_engine_reads_as_a_picture_is_refused(marker: str, run: Run, tmp_path: Path) -> None:
    stage = run.stage("vision-r1", 1)
    changed = [
        problem.model_copy(update={"question": f"What is {marker}?"}) if number == 0 else problem
        for number, problem in enumerate(read_problems(stage.source))
    ]
    write_problems(tmp_path / "problems.parquet", changed)
    with pytest.raises(UserError, match=rf"problem {changed[0].id}: its text holds {marker}"):
        export_stage(replace(stage, source=tmp_path / "problems.parquet"), ENGINES["easyr1"], tmp_path / "d")


def test_another_family_needs_a_template_that_was_compared(run: Run, tmp_path: Path) -> None:
    from vr1repro.handover.settings import settings_of

    stage = run.stage("ci", 0)
    model = with_template(stage.model, stage.model / "chat_template.jinja", tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").unlink()
    (model / "config.json").write_text(json.dumps(config | {"model_type": "mllama"}))
    with pytest.raises(UserError, match=r"model_type mllama: LLaMA-Factory's template of it was not compared"):
        settings_of(replace(stage, model=model), ENGINES["llama-factory"], tmp_path)


def test_the_launcher_is_torchrun_or_ray_over_the_nodes_of_the_config(run: Run, tmp_path: Path) -> None:
    from vr1repro.handover.files import run_file

    def text(name: str, arm: str, number: int, **launch: Any) -> str:
        section = "rl" if number else "sft"
        values = getattr(run.config, section).model_dump(mode="json")["launch"] | launch
        batch = {"batch": 32, "device_batch": 1} if section == "sft" else {"prompts_per_step": 16}
        return run_file(run.stage(arm, number, launch=values, **batch), ENGINES[name], tmp_path)

    one = text("llama-factory", "ci", 0)
    assert "FORCE_TORCHRUN=0 NNODES=1 NPROC_PER_NODE=1" in one
    many = text("llama-factory", "ci", 0, nodes=2, processes=8)
    assert "FORCE_TORCHRUN=1 NNODES=2 NPROC_PER_NODE=8" in many
    assert "#SBATCH --nodes=2" in many
    ray = text("verl", "vision-r1", 1, nodes=2, processes=8)
    assert "ray start --block" in ray
    assert "-m verl.trainer.main_ppo --config-path" in ray
    assert "validated, never trained" in ray
    assert "-m verl.trainer.main config=" in text("easyr1", "vision-r1", 1)
