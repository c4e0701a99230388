"""Rotary frequencies in fp32, which DeepSpeed rounds to bf16 twice: where a model is built, and where it is taken over.

A token's angle is its position times a frequency. Rounded by 2^-9, it is off by a third of a radian at position 170,
and nothing is left of it at 2000. Losses and gradients look alike all the same; only a sampling engine, which has its
frequencies in fp32, shows another policy (a rehearsed rollout behind a prompt of 165 tokens: 0.19 nats a token).
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch

from vr1repro.core.upstream import require

_HALF = (torch.bfloat16, torch.float16)


def keep_fp32_buffers(model: Any) -> Any:
    """Give a model the buffers in fp32 that its class makes, and let them keep format and values.

    Args:
        model: Of transformers, as `from_pretrained` made it; modules with such buffers are made of their `config`.

    Returns:
        The model.
    """
    require("deepspeed")
    for module in model.modules():
        rounded = [name for name, value in module.named_buffers(recurse=False) if value.dtype in _HALF]
        if rounded:  # `zero.Init` makes every new tensor in the weights' format; a module made here is not in it
            exact = type(module)(module.config)
            for name in rounded:
                setattr(module, name, getattr(exact, name).to(getattr(module, name).device))
        names = [name for name, value in module.named_buffers(recurse=False) if value.dtype == torch.float32]
        if names:
            module._apply = MethodType(_apply_without(module._apply, names), module)
    return model


def _apply_without(apply: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """A module's `_apply`, through which all casts and moves go, that leaves the format of some buffers."""

    def applied(module: torch.nn.Module, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> Any:
        before = {name: getattr(module, name) for name in names}
        result = apply(fn, recurse)
        for name, value in before.items():
            after = getattr(module, name)
            if value is not None and after is not None and after.dtype != value.dtype:
                setattr(module, name, value.to(after.device))
        return result

    return applied
