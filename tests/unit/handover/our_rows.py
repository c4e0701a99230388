"""What our own training makes of a stage: ids, labels, pixels and grids of its rows, as TRL's collator has them."""

import hashlib
from typing import Any

from transformers import AutoProcessor
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from vr1repro.core.problem_files import ProblemFile
from vr1repro.handover.stage import HandedStage
from vr1repro.training.data import LengthGroupedOrder, PictureLimits, rl_order, rl_rows, sft_rows
from vr1repro.training.grpo import prompts_used


def sft_batches(stage: HandedStage) -> list[dict[str, Any]]:
    """Every row of the fine-tuning, in the order in which an epoch by length has them."""
    settings = stage.config.sft
    processor = AutoProcessor.from_pretrained(stage.model)
    problems = ProblemFile(stage.source / "coldset.parquet")
    rows, lengths, _ = sft_rows(problems, stage.completions, processor, settings.cutoff, PictureLimits.of(settings))
    collate = DataCollatorForVisionLanguageModeling(processor=processor, max_length=None, completion_only_loss=True)
    order = range(len(rows))
    if settings.group_by_length:
        order = list(LengthGroupedOrder(lengths, settings.batch, stage.seed))
    made = []
    for row in order:
        batch = collate([rows[row]])
        made.append(
            {
                "ids": batch["input_ids"][0].tolist(),
                "labels": batch["labels"][0].tolist(),
                "pixels": _sha(batch["pixel_values"]),
                "grid": batch["image_grid_thw"].tolist(),
            }
        )
    return made


def rl_prompts(stage: HandedStage) -> list[dict[str, Any]]:
    """Every prompt of a stage of reinforcement learning, in its order."""
    settings = stage.config.rl
    processor = AutoProcessor.from_pretrained(stage.model)
    problems = ProblemFile(stage.source)
    prompts = prompts_used(settings, stage.stage.steps)
    order = rl_order(len(problems), stage.seed, prompts_used(settings, stage.first_step), prompts)
    made = []
    for row in rl_rows(problems, order, stage.system_prompt, PictureLimits.of(settings)):
        text = processor.apply_chat_template(row["prompt"], add_generation_prompt=True)
        encoded = processor(text=[text], images=row["images"], return_tensors="pt")
        made.append(
            {
                "ids": encoded["input_ids"][0].tolist(),
                "grid": encoded["image_grid_thw"].tolist(),
                "pixels": _sha(encoded["pixel_values"]),
            }
        )
    return made


def _sha(pixels: Any) -> str:
    return hashlib.sha256(pixels.float().numpy().tobytes()).hexdigest()
