"""Backward passes that do not end an update: pieces before its last, and a rehearsed batch."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from accelerate.utils import DistributedType

from vr1repro.core.upstream import require


@contextmanager
def held_back(accelerator: Any, model: Any) -> Iterator[None]:
    """Backward passes inside do not end an update. Sharded gradients are reduced all the same, to stay shards.

    Args:
        accelerator: The trainer's.
        model: Its wrapped model.
    """
    require("accelerate")
    state, kind = accelerator.gradient_state, accelerator.distributed_type
    plain = kind not in (DistributedType.DEEPSPEED, DistributedType.FSDP)
    state._set_sync_gradients(False)
    try:
        with accelerator.no_sync(model) if plain else nullcontext():
            yield
    finally:
        state._set_sync_gradients(True)


def backward(accelerator: Any, loss: torch.Tensor) -> None:
    """As transformers' `training_step` does it, outside autocast."""
    scale = {"scale_wrt_gas": False} if accelerator.distributed_type == DistributedType.DEEPSPEED else {}
    with torch.autocast(loss.device.type, enabled=False):
        accelerator.backward(loss, **scale)
