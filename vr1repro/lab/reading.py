"""How well a model reads: held-out pictures, greedy decoding, whole rows."""

import random
from typing import TYPE_CHECKING, Any

import torch

from vr1repro.config.lab import Lab
from vr1repro.lab import questions, world
from vr1repro.lab.examples import Collator, Example

if TYPE_CHECKING:
    from transformers import Qwen2_5_VLForConditionalGeneration

_BATCH = 100


def measure_reading(
    model: "Qwen2_5_VLForConditionalGeneration", collate: Collator, lab: Lab, seed: int
) -> dict[str, Any]:
    """Read pictures of the `benchmark` partition, none of whose rows pretraining has seen.

    Returns:
        `pictures` (how many), `pictures_right` (share whose every value is right), `values_right` (share of values
        that are right at their place), `by_family` (share of pictures right).
    """
    rng = random.Random(f"reading:{seed}")
    scenes = [world.draw_scene(lab.world, "benchmark", rng) for _ in range(lab.pretrain.reading_pictures)]
    right: dict[str, list[bool]] = {family: [] for family in questions.FAMILIES}
    values_right = values = 0
    # Rows of one length at a time, so that no prompt needs padding.
    scenes.sort(key=lambda scene: (scene.signed + len(scene.task.values), scene.id))
    for group in _groups(scenes):
        for scene, reading in zip(group, _read(model, collate, group, rng), strict=True):
            truth = list(map(str, scene.task.values))
            right[scene.family].append(reading == truth)
            values += len(truth)
            values_right += sum(a == b for a, b in zip(reading, truth, strict=False))
    everything = [verdict for verdicts in right.values() for verdict in verdicts]
    return {
        "pictures": len(everything),
        "pictures_right": sum(everything) / len(everything),
        "values_right": values_right / values,
        "by_family": {family: sum(v) / len(v) for family, v in right.items() if v},
    }


def _groups(scenes: list[world.Scene]) -> list[list[world.Scene]]:
    groups: list[list[world.Scene]] = []
    for scene in scenes:
        cells = scene.signed + len(scene.task.values)
        if groups and len(groups[-1]) < _BATCH and groups[-1][0].signed + len(groups[-1][0].task.values) == cells:
            groups[-1].append(scene)
        else:
            groups.append([scene])
    return groups


def _read(
    model: "Qwen2_5_VLForConditionalGeneration", collate: Collator, scenes: list[world.Scene], rng: random.Random
) -> list[list[str]]:
    batch = collate(
        [Example(scene=scene, prompt=questions.READ_PROMPT, reply="", task="read") for scene in scenes], rng
    )
    length = batch.inputs["input_ids"].shape[1] - 1  # without the empty reply's end token
    for name in ("input_ids", "attention_mask", "mm_token_type_ids"):
        batch.inputs[name] = batch.inputs[name][:, :length]
    longest = 2 * max(len(scene.task.values) for scene in scenes) + 1
    with torch.inference_mode():
        out = model.generate(**batch.inputs, max_new_tokens=longest, do_sample=False)
    texts: list[str] = collate.tokenizer.batch_decode(out[:, length:], skip_special_tokens=True)
    return [text.split(" ") for text in texts]
