"""The reference model of the KL term: the checkpoint that the config names, whatever shards it.

TRL loads its reference from the folder that the policy came from. From the second stage on that is another model where
`rl.reference` is `start`. Weights put into it afterwards do not arrive: under ZeRO-3 a module's tensors are empty
shards, and FSDP2's are of another type. So TRL is told the folder, and sums of what it then holds are compared with
the files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch.distributed.tensor import DTensor
from trl.trainer import grpo_trainer

from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require
from vr1repro.training.buffers import keep_fp32_buffers
from vr1repro.training.weight_sums import shared_name

# In float64 over equal values, in another order.
_ALLOWED = 1e-9


@contextmanager
def reference_from(folder: Path | None) -> Iterator[None]:
    """Let a trainer that is constructed inside load its reference from a folder; None: from the policy's."""
    require("trl")
    require("deepspeed")
    load = grpo_trainer.create_model_from_path

    def load_reference(policy: str, **kwargs: Any) -> Any:
        return keep_fp32_buffers(load(policy if folder is None else str(folder), **kwargs))

    grpo_trainer.create_model_from_path = load_reference
    try:
        yield
    finally:
        grpo_trainer.create_model_from_path = load


def check_reference(model: Any, folder: Path) -> int:
    """Compare a reference in memory, sharded or not, with its files. Every process must call it.

    Args:
        model: The unwrapped reference.
        folder: The checkpoint that it must be.

    Returns:
        How many tensors were compared: the projections of the first and the last layer.

    Raises:
        UserError: A tensor is another one, or none could be found.
    """
    stored = _files_of(folder)
    held = {shared_name(name): parameter for name, parameter in model.named_parameters()}
    layers = sorted({int(name.split("layers.")[1].split(".")[0]) for name in held if _is_projection(name)})
    compared = 0
    for name, parameter in held.items():
        if not _is_projection(name) or int(name.split("layers.")[1].split(".")[0]) not in {layers[0], layers[-1]}:
            continue
        if name not in stored:
            continue
        file, key = stored[name]
        with safe_open(file, framework="pt") as tensors:
            expected = tensors.get_tensor(key)
        ours = _sums(_whole(parameter))
        # FSDP2 keeps in fp32 what was loaded in bf16.
        if not any(_close(ours, _sums(expected.to(loaded))) for loaded in (parameter.dtype, torch.bfloat16)):
            raise UserError(
                f"rl.reference: {name} of the reference model is not {folder}'s (sum {ours[0]:.9g}, there"
                f" {_sums(expected)[0]:.9g}); the KL term would be against another model"
            )
        compared += 1
    if not compared:
        raise UserError(f"rl.reference: {folder}: no weight of the reference is found in its files by name")
    return compared


def _is_projection(name: str) -> bool:
    return name.startswith("layers.") and name.endswith(("up_proj.weight", "q_proj.weight"))


def _sums(values: torch.Tensor) -> tuple[float, float]:
    """Sum and sum of squares."""
    exact = values.double().cpu()
    return float(exact.sum()), float(exact.square().sum())


def _close(ours: tuple[float, float], theirs: tuple[float, float]) -> bool:
    return all(abs(one - other) <= _ALLOWED * max(1.0, theirs[1]) for one, other in zip(ours, theirs, strict=True))


def _files_of(folder: Path) -> dict[str, tuple[Path, str]]:
    """Where each tensor of a checkpoint lies, by the name that module and file share."""
    stored = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            stored.update({shared_name(key): (file, key) for key in tensors.keys()})  # noqa: SIM118 - not a mapping
    return stored


def _whole(parameter: torch.nn.Parameter) -> torch.Tensor:
    """All elements of a parameter that may be a shard."""
    if isinstance(parameter, DTensor):
        return parameter.detach().full_tensor()
    if hasattr(parameter, "ds_id"):
        import deepspeed  # type: ignore[import-untyped,unused-ignore]

        with deepspeed.zero.GatheredParameters([parameter]):
            return parameter.detach().clone()
    return parameter.detach()
