"""Where each model of a run is trained and evaluated: splits that vLLM and the models allow."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from vr1repro.config import loader
from vr1repro.core.errors import UserError
from vr1repro.scale.shapes import SHAPES, ModelShape, shape_of

PRESETS = ("paper", "paper-8gpu-7b", "paper-8gpu-3b", "paper-1gpu-3b", "evaluate")


def splits(repo: Path, preset: str) -> list[tuple[str, ModelShape, int]]:
    """Every model that a preset samples from by vLLM, with the GPUs that share it, by the key that says so."""
    config = loader.load(repo / "config" / f"{preset}.yaml")
    found = []
    for arm in config.run_arms:
        model = config.starts[config.arms[arm].start].model
        placed, shape = config.placed(model), shape_of(config.models[model])
        assert shape is not None, model
        found.append((f"{arm} evaluation", shape, placed.evaluation.engine.tensor_parallel))
        if config.arms[arm].stages and arm not in config.take_released:
            found.append((f"{arm} rollout", shape, placed.rl.generation.tensor_parallel))
    if "coldset" not in config.take_released:
        mllm = config.coldset.mllm
        shape = shape_of(config.models[mllm.model])
        assert shape is not None
        found.append(("bridging", shape, mllm.sampler.tensor_parallel))
    return found


@pytest.mark.parametrize("preset", PRESETS)
def test_every_split_divides_what_vllm_divides(repo: Path, preset: str) -> None:
    """Heads of both kinds and the vision MLP; 7B and 3B do not divide by 8, 32B and 72B do."""
    for where, shape, split in splits(repo, preset):
        assert shape.heads % split == 0, where
        assert max(shape.kv_heads, split) % min(shape.kv_heads, split) == 0, where
        assert shape.vision.intermediate % split == 0, where


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_vllm_accepts_every_split(repo: Path, tmp_path: Path, preset: str) -> None:
    """vLLM's own check of a model's config, with the real dimensions and no weights."""
    vllm_config = pytest.importorskip("vllm.config")
    for where, shape, split in splits(repo, preset):
        folder = tmp_path / shape.name
        if not folder.exists():
            write_config(shape, folder)
        model = vllm_config.ModelConfig(
            model=str(folder), tokenizer=str(folder), skip_tokenizer_init=True, dtype="bfloat16", max_model_len=8192
        )
        parallel = vllm_config.ParallelConfig(tensor_parallel_size=split, distributed_executor_backend="mp")
        assert model.verify_with_parallel_config(parallel) is None, where


@pytest.mark.slow
def test_vllm_refuses_the_split_that_7b_had(tmp_path: Path) -> None:
    vllm_config = pytest.importorskip("vllm.config")
    shape = next(shape for shape in SHAPES if shape.name == "Qwen2.5-VL-7B")
    write_config(shape, tmp_path / "7b")
    model = vllm_config.ModelConfig(
        model=str(tmp_path / "7b"), tokenizer=str(tmp_path / "7b"), skip_tokenizer_init=True, dtype="bfloat16",
        max_model_len=8192,
    )  # fmt: skip
    parallel = vllm_config.ParallelConfig(tensor_parallel_size=8, distributed_executor_backend="mp")
    with pytest.raises(ValueError, match=r"attention heads \(28\) must be divisible by tensor parallel size \(8\)"):
        model.verify_with_parallel_config(parallel)


def write_config(shape: ModelShape, folder: Path) -> None:
    from transformers import Qwen2_5_VLConfig

    text = {
        "hidden_size": shape.hidden, "intermediate_size": shape.intermediate, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocabulary,
        "max_position_embeddings": 128_000, "rope_theta": 1e6, "tie_word_embeddings": shape.tied,
        "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
    }  # fmt: skip
    vision = {
        "depth": shape.vision.depth, "hidden_size": shape.vision.hidden, "num_heads": shape.vision.heads,
        "intermediate_size": shape.vision.intermediate, "out_hidden_size": shape.hidden,
        "fullatt_block_indexes": [7, 15, 23, 31], "window_size": 112,
    }  # fmt: skip
    Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, architectures=["Qwen2_5_VLForConditionalGeneration"],
        dtype="bfloat16", tie_word_embeddings=shape.tied,
    ).save_pretrained(folder)  # fmt: skip


def changed(repo: Path, placements: dict[str, Any]) -> Any:
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text())
    values["placements"] = placements
    return loader.check(values, "paper.yaml")


def test_a_model_without_a_placement_runs_as_the_sections_say(repo: Path) -> None:
    config = loader.load(repo / "config" / "paper.yaml")
    assert config.placed("qwen2.5-vl-7b") == config
    large = config.of_arm("vision-r1-72b")
    assert (large.evaluation.engine.tensor_parallel, large.resources.evaluate.gpu) == (4, 4)
    assert (large.rl.generation.tensor_parallel, large.rl.tokens_per_forward) == (4, 16384)
    # What is learnt is the run's.
    same = ("loss", "beta", "prompts_per_step", "updates_per_rollout", "learning_rate")
    assert all(getattr(large.rl, name) == getattr(config.rl, name) for name in same)


@pytest.mark.parametrize(
    ("placements", "message"),
    [
        ({"qwen2.5-vl-8b": {}}, r"placements: unknown name 'qwen2\.5-vl-8b'"),
        ({"qwen2.5-vl-32b": {"rl": {"tensor_parallel": 3}}}, r"tensor_parallel: 3 does not divide the 8 processes"),
        (
            {"qwen2.5-vl-72b": {"evaluation": {"engine": {"kind": "vllm", "tensor_parallel": 4}}}},
            r"resources\.evaluate\.gpu: 1, but its model is spread over tensor_parallel 4",
        ),
        ({"qwen2.5-vl-72b": {"rl": {"beta": 0.5}}}, "unknown key"),
    ],
)
def test_an_impossible_placement_is_named(repo: Path, placements: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        changed(repo, placements)
