"""The longest batch that a job may meet, forward and backward, before its first step.

A batch that does not fit should end a job in its first minute, not in its second night. Nothing of the job changes:
gradients are dropped and the random state is put back.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vr1repro.config.arms import Stage
from vr1repro.core.errors import UserError
from vr1repro.training.backward import backward, held_back
from vr1repro.training.forward import Rows
from vr1repro.training.trainer import VisionGRPOTrainer

# What torch says where memory ends; a CPU's allocator has no exception class of its own.
_CPU_ALLOCATOR = "can't allocate memory"


class Rehearsal(TrainerCallback):
    """Tries the longest batch when training begins, and prints what it took.

    Args:
        trainer: The trainer.
        longest: Makes the loss of the longest batch with a model.
        what: What the batch is, for the message.
        advice: What to change where it does not fit.
    """

    def __init__(self, trainer: Trainer, longest: Callable[[Any], torch.Tensor], what: str, advice: str) -> None:
        self._trainer, self._longest, self._what, self._advice = trainer, longest, what, advice

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Try it.

        Raises:
            UserError: Memory ended.
        """
        model = self._trainer.model_wrapped
        on_gpu = torch.cuda.is_available()
        cpu, gpus = torch.get_rng_state(), torch.cuda.get_rng_state_all() if on_gpu else []
        model.train()
        try:
            with held_back(self._trainer.accelerator, model):
                # Gradients of zero: DeepSpeed keeps them for the first step.
                backward(self._trainer.accelerator, 0.0 * self._longest(model))
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, torch.OutOfMemoryError | MemoryError) and _CPU_ALLOCATOR not in str(error):
                raise
            raise UserError(f"the longest legal batch, {self._what}, does not fit in memory: {self._advice}") from error
        finally:
            if not self._trainer.is_deepspeed_enabled:
                model.zero_grad()
            torch.set_rng_state(cpu)
            if on_gpu:
                torch.cuda.set_rng_state_all(gpus)
        peak = f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if on_gpu else ""
        print(f"longest legal batch: {self._what}: fits{peak}", flush=True)


def completions_rehearsal(
    trainer: VisionGRPOTrainer, stage: Stage, longest: int, prompt_tokens: int, tokens_per_forward: int
) -> Rehearsal:
    """The largest piece of a pass: as many completions of a stage's full length behind its longest prompt as fit it.

    A pass without gradients holds less than one with, so one with is tried.

    Args:
        trainer: The stage's trainer; its train_dataset holds the prompts.
        stage: Its longest completion and its group.
        longest: Row of the longest prompt.
        prompt_tokens: Tokens of that prompt.
        tokens_per_forward: Budget of a piece.
    """
    processor, tokens = trainer.processing_class, stage.max_tokens
    n = max(1, min(stage.group, (tokens_per_forward - prompt_tokens) // tokens))

    def loss(model: Any) -> torch.Tensor:
        row = trainer.train_dataset[longest]
        text = processor.apply_chat_template(row["prompt"], add_generation_prompt=True)
        batch = processor(text=[text] * n, images=row["images"] * n or None, padding=True, return_tensors="pt")
        batch = batch.to(trainer.accelerator.device)
        filler = processor.tokenizer("1", add_special_tokens=False)["input_ids"][0]

        def behind(name: str, value: int) -> torch.Tensor:
            prompt: torch.Tensor = batch[name]
            return torch.cat([prompt, prompt.new_full((n, tokens), value)], 1)

        pictures = {name: batch[name] for name in ("pixel_values", "image_grid_thw") if name in batch}
        if pictures:
            pictures["num_images"] = [len(row["images"])] * n
            pictures["mm_token_type_ids"] = behind("mm_token_type_ids", 0)
        completions = Rows(
            input_ids=behind("input_ids", filler),
            attention_mask=behind("attention_mask", 1),
            completion_length=tokens,
            pictures=pictures,
        )
        log_probs, _, _ = trainer.log_probs(model, completions)
        return log_probs.sum()

    what = f"{n} completions of {tokens} tokens behind a prompt of {prompt_tokens}"
    return Rehearsal(trainer, loss, what, "lower rl.tokens_per_forward, shard over more GPUs, or checkpoint gradients")
