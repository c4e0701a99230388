"""What a rehearsal's stages start from: tiny models of a preset's shapes, generated problems and a cold-start set."""

from collections.abc import Sequence
from pathlib import Path

from vr1repro.answers.completion import answer_only, completion
from vr1repro.coldset import prompts
from vr1repro.config.lab import Lab
from vr1repro.config.models import ModelSource
from vr1repro.config.plan import PROBLEMS, RELEASED, Plan
from vr1repro.config.run import Config, LabBenchmark
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import write_problems
from vr1repro.core.provenance import write_manifest
from vr1repro.lab.benchmarks import write_benchmark
from vr1repro.lab.model import build, save
from vr1repro.lab.tokenizer import Prompts
from vr1repro.lab.world import generate
from vr1repro.scale.shapes import shape_of

# vLLM's CPU attention has heads of 32 and more.
_HEAD, _VISION_HEAD, _LAYERS = 32, 8, 2
_ROWS = 8
# An untrained model ends a completion once in a vocabulary; with a wider row of its head it does so now and then.
_END_WIDER = 4.0
# The width whose logits, at the lab's initial weights, bf16 rounds by less than the guard of log-probabilities allows.
_WIDTH = 512


def make(config: Config, models: list[str], arms: Sequence[str]) -> None:
    """Write the folders that the stages read, in their places under the run's folder.

    Args:
        config: The small config.
        models: Keys of `models`.
        arms: Keys of `arms`; where one's start or end is taken as released, its model's stand-in is.

    Raises:
        UserError: A model's shape is not known.
    """
    assert config.lab is not None  # noqa: S101 - set by `shrink`
    plan = Plan(config)
    for name in models:
        write_model(config.lab, name, config.models[name], Path(plan.model(name)))
    for arm in arms:
        start = config.arms[arm].start
        for taken in {arm, start} & set(config.take_released):
            model = config.starts[start].model
            write_model(config.lab, model, config.models[model], Path(plan.model(f"{RELEASED}{taken}")))
    for slug, source in config.benchmarks.items():
        assert isinstance(source, LabBenchmark)  # noqa: S101 - set by `shrink`
        folder = Path(plan.problems(slug))
        folder.mkdir(parents=True)
        write_benchmark(config.lab.world, slug, source.n, 1, folder)
        write_manifest(folder, "problems", {}, {})
    for number, name in enumerate(config.problems):
        folder = Path(plan.problems(name))
        write_problems(folder / PROBLEMS, generate(config.lab.world, "rl", 4 * _ROWS, number + 1))
        write_manifest(folder, "problems", {}, {})
    write_coldset(config.lab, _ROWS, Path(plan.coldset()))


def write_coldset(lab: Lab, n: int, folder: Path) -> None:
    """A cold-start set of generated problems with chains of three lengths."""
    cold = [
        problem.model_copy(
            update={
                "metadata": {
                    "completion": completion("1 2 1+2=3. Wait, check: " * (place % 3 + 1), problem.answer),
                    "answer_only": answer_only(problem.answer),
                }
            }
        )
        for place, problem in enumerate(generate(lab.world, "cold", n, 1))
    ]
    write_problems(folder / "coldset.parquet", cold)
    write_manifest(folder, "coldset", {}, {})


def write_model(lab: Lab, name: str, source: ModelSource, folder: Path) -> None:
    """An untrained model with a preset's heads, vision MLP and tying."""
    import torch

    shape = shape_of(source)
    if source.kind == "lab":
        tied, small = True, lab.model
    elif shape is None:
        raise UserError(
            f"models.{name}: its shape is not known, so it cannot be rehearsed; vr1repro/scale/shapes.py has those of"
            " Qwen2.5-VL"
        )
    else:
        tied = shape.tied
        small = lab.model.model_copy(
            update={
                "hidden": shape.heads * _HEAD,
                "layers": _LAYERS,
                "heads": shape.heads,
                "kv_heads": shape.kv_heads,
                "ffn": 2 * shape.heads * _HEAD,
                "vision_hidden": shape.vision.heads * _VISION_HEAD,
                "vision_layers": _LAYERS,
                "vision_heads": shape.vision.heads,
                "vision_ffn": shape.vision.intermediate,
                "mrope_section": (4, 6, 6),
            }
        )
    bridging = Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION)
    model, processor = build(lab.model_copy(update={"model": small}), bridging, 1, tied=tied)
    with torch.no_grad():
        if not tied and small.hidden > _WIDTH:
            model.get_output_embeddings().weight *= (_WIDTH / small.hidden) ** 0.5
        model.get_output_embeddings().weight[processor.tokenizer.eos_token_id] *= _END_WIDER
    save(model.bfloat16() if shape else model, processor, folder)
    write_manifest(folder, "model", {}, {})
