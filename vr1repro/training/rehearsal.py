"""The longest batch that a job may meet, forward and backward, before its first step.

A batch that does not fit should end a job in its first minute, not in its second night. Nothing of the job changes:
gradients are dropped and the random state is put back.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from vr1repro.errors import UserError

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
