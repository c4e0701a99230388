"""The longest batch that a job may meet, forward and backward, before its first step.

A batch that does not fit should end a job in its first minute, not in its second night. Nothing of the job changes:
gradients are dropped and the random state is put back.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vr1repro.core.errors import UserError
from vr1repro.training.forward import Rows
from vr1repro.training.trainer import VisionGRPOTrainer

# What torch says where memory ends; a CPU's allocator has no exception class of its own.
_CPU_ALLOCATOR = "can't allocate memory"


class Rehearsal(TrainerCallback):
    """Tries the longest batch when training begins, and prints what it took.

    Args:
        trainer: The trainer; under DeepSpeed the batch goes forward only, since its backward would count as a step's.
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
            loss = self._longest(model)
            if not self._trainer.is_deepspeed_enabled:
                self._trainer.accelerator.backward(loss)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, torch.OutOfMemoryError | MemoryError) and _CPU_ALLOCATOR not in str(error):
                raise
            raise UserError(f"the longest legal batch, {self._what}, does not fit in memory: {self._advice}") from error
        finally:
            model.zero_grad()
            torch.set_rng_state(cpu)
            if on_gpu:
                torch.cuda.set_rng_state_all(gpus)
        peak = f", peak {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if on_gpu else ""
        print(f"longest legal batch: {self._what}: fits{peak}", flush=True)


def completions_rehearsal(
    trainer: VisionGRPOTrainer, tokens: int, prompts_per_step: int, lengths: list[int]
) -> Rehearsal:
    """Completions of a stage's full length behind its longest prompts, as many as a forward pass has.

    Args:
        trainer: The stage's trainer; its train_dataset holds the prompts.
        tokens: The stage's longest completion.
        prompts_per_step: Prompts of a rollout.
        lengths: Tokens of each prompt.
    """
    processor = trainer.processing_class
    rows = trainer.args.per_device_train_batch_size
    prompts = min(rows, prompts_per_step)
    longest = sorted(range(len(lengths)), key=lambda row: -lengths[row])[:prompts]

    def loss(model: Any) -> torch.Tensor:
        chosen = [trainer.train_dataset[longest[row * len(longest) // rows]] for row in range(rows)]
        texts = [processor.apply_chat_template(row["prompt"], add_generation_prompt=True) for row in chosen]
        images = [image for row in chosen for image in row["images"]]
        batch = processor(text=texts, images=images or None, padding=True, return_tensors="pt")
        batch = batch.to(trainer.accelerator.device)
        filler = processor.tokenizer("1", add_special_tokens=False)["input_ids"][0]

        def behind(name: str, value: int) -> torch.Tensor:
            prompt: torch.Tensor = batch[name]
            return torch.cat([prompt, prompt.new_full((rows, tokens), value)], 1)

        pictures = {name: batch[name] for name in ("pixel_values", "image_grid_thw") if name in batch}
        if pictures:
            pictures["num_images"] = [len(row["images"]) for row in chosen]
            pictures["mm_token_type_ids"] = behind("mm_token_type_ids", 0)
        completions = Rows(
            input_ids=behind("input_ids", filler),
            attention_mask=behind("attention_mask", 1),
            completion_length=tokens,
            pictures=pictures,
        )
        log_probs, _, _ = trainer.log_probs(model, completions)
        return log_probs.sum()

    what = f"{rows} completions of {tokens} tokens behind {len(longest)} prompts of up to {max(lengths)}"
    return Rehearsal(trainer, loss, what, "lower rl.device_batch, shard over more GPUs, or checkpoint gradients")
