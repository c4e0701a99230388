"""Shards of two gloo ranks, adopted and put through the workflow, evaluate as the unsharded weights do.

Each engine's own checkpoint manager writes them and its own merger opens them, in its environment (`make verify`).
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from handed_stages import json_lines
from smoke_workflow import Workflow

from vr1repro.config.loader import load
from vr1repro.config.run import Config
from vr1repro.core.provenance import read_manifest
from vr1repro.handover.adopt import adopt
from vr1repro.handover.engines import ENGINES, Engine
from vr1repro.handover.export import export_stage
from vr1repro.handover.names import MODEL, VERSIONS
from vr1repro.handover.stage import handed_stage

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(1800)]

STEPS = 2
VERL_LOG = {"critic/score/mean": 0.1, "response_length/mean": 9.0, "actor/grad_norm": 0.5}
EASYR1_LOG = {"reward": {"overall": 0.1}, "response_length": {"mean": 9.0}, "actor": {"grad_norm": 0.5}}


def config_with(arms: dict[str, dict[str, Any]], repo: Path, out: Path) -> Config:
    """Smoke's config with arms of one stage from the cold-start model; what each stage further says."""
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text())
    stage = {"max_tokens": 8, "group": 4, "steps": STEPS}
    for arm, says in arms.items():
        values["arms"][arm] = {"label": arm, "start": "ci", "reward": "hard", "stages": [stage | says]}
    values["run_arms"] = ["base", "ci", *arms]
    values["lengths"] = None
    out.write_text(yaml.safe_dump(values))
    return load(out)


def trained(export: Path, engine: Engine, weights: Path) -> Path:
    """An export with an engine's step log, and its checkpoint's folder with the weights unsharded."""
    made = export / "checkpoints" / f"global_step_{STEPS}"
    made.mkdir(parents=True)
    shutil.copyfile(weights / "model.safetensors", made / "model.safetensors")
    if engine.name == "verl":
        rows: list[dict[str, Any]] = [{"step": step, "data": VERL_LOG} for step in range(1, STEPS + 1)]
        log = export / "logs" / "experiment-1.jsonl"
    else:
        rows = [{"step": step, **EASYR1_LOG} for step in range(1, STEPS + 1)]
        log = export / "checkpoints" / "experiment_log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (export / "logs" / VERSIONS).write_text(json.dumps({engine.name: engine.version}))
    return made


def rounded(model: Path, out: Path) -> Path:
    """A model whose weights are bf16 numbers in fp32, which mergers leave as they are."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, out, symlinks=False)
    tensors = load_file(model / "model.safetensors")
    # Moved, so that it is not the model that the arm starts from.
    moved = {name: (tensor * 1.5).bfloat16().to(torch.float32) for name, tensor in tensors.items()}
    save_file(moved, out / "model.safetensors", {"format": "pt"})
    return out


@pytest.mark.parametrize("name", ["verl", "easyr1"])
def test_adopted_shards_evaluate_as_the_unsharded_weights(
    name: str, smoke: Workflow, tmp_path: Path, engine_python: Callable[..., Any]
) -> None:
    engine = ENGINES[name]
    workflow = replace(smoke, folder=tmp_path / "run", warm=True)
    shutil.copytree(smoke.folder, workflow.folder, symlinks=True)
    arms = ("unsharded", "sharded")
    config = config_with({arm: {} for arm in arms}, smoke.repo, tmp_path / "c0.yaml")
    start = workflow.root / "train" / "ci" / "s1" / "sft" / "final"
    weights = rounded(start, tmp_path / "weights")
    for arm in arms:
        stage = handed_stage(config, arm, 1, 1, str(workflow.root.parent))
        export = tmp_path / arm
        export_stage(stage, engine, export, approximate=True)
        made = trained(export, engine, weights)
        if arm == "sharded":
            (made / "model.safetensors").unlink()
            readable = weights
            if (export / MODEL).exists():  # EasyR1's transformers reads no model of ours
                readable = tmp_path / "readable"
                shutil.copytree(export / MODEL, readable, symlinks=False)
                (readable / "model.safetensors").unlink()
                shutil.copyfile(weights / "model.safetensors", readable / "model.safetensors")
            engine_python(name, "shards", readable, made / "actor")
            before = {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()}
            assert sum(path.suffix == ".pt" for path in before) == 2
        adopt(made, engine, arm, 1, tmp_path / f"{arm}-model", trusted=arm == "sharded")
    # The merger leaves the checkpoint as it was.
    assert {path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()} == before
    assert_same_weights(tmp_path / "unsharded-model", tmp_path / "sharded-model")

    adopted = {arm: {"adopted": str(tmp_path / f"{arm}-model")} for arm in arms}
    config_with(adopted, smoke.repo, tmp_path / "c1.yaml")
    replace(workflow, overrides=("--configfile", str(tmp_path / "c1.yaml"))).finish()
    facts = read_manifest(workflow.root / "train" / "sharded" / "s1" / "stage1")["content"]["facts"]
    assert facts["engine"] == name
    texts = {}
    for arm in (*arms, "ci"):
        (responses,) = (workflow.root / "eval" / f"{arm}_s1" / "mathvista" / "single").glob("e1/responses.jsonl")
        texts[arm] = [row["response"] for row in json_lines(responses)]
    assert texts["sharded"] == texts["unsharded"]
    assert texts["unsharded"] != texts["ci"]
    assert f"{engine.name} {engine.version[:7]}" in (workflow.root / "report" / "tables.html").read_text()


def assert_same_weights(one: Path, other: Path) -> None:
    """Tensors have other names by version of transformers, so models are compared."""
    import torch
    from transformers import AutoModelForImageTextToText

    models = [
        AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).state_dict() for folder in (one, other)
    ]
    assert models[0].keys() == models[1].keys()
    for name, tensor in models[0].items():
        assert torch.equal(tensor, models[1][name]), name
