"""Rows without a picture in training whose weights are sharded over processes.

ZeRO-3 and FSDP2 gather a layer's weights when its forward runs, on all processes together. Where one process's rows
have pictures and another's have none, the second never runs the vision tower: the first waits for ever, or takes the
next collective for its own. So a row of text runs the tower on an empty picture, whose features are added with
weight zero, as LLaMA-Factory (`mm_plugin`, fake images) and EasyR1 do.
"""

import functools
from types import MethodType
from typing import Any

import torch

from vr1repro.core.upstream import require


def always_see(model: Any) -> None:
    """Let a model of the Qwen2.5-VL family run its vision tower on every forward; no value changes.

    Args:
        model: The unwrapped model. One of another family, without `model.visual`, is left as it is.
    """
    require("transformers")
    if not hasattr(getattr(model, "model", None), "visual"):
        return
    vision = model.config.vision_config
    side = 2 * vision.spatial_merge_size
    values = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    original = model.model.forward

    # Where and when pictures are encoded too. In a hook of another module the tower would be entered at another time,
    # in its forward or its backward; DeepSpeed compares the order, and collectives are taken for each other.
    @functools.wraps(type(model.model).forward)
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        # Sampling has a cache, and steps that no other process makes.
        if kwargs.get("pixel_values") is None and not kwargs.get("use_cache"):
            embedded = self.get_input_embeddings()(kwargs["input_ids"])
            grid = torch.tensor([[1, side, side]], device=embedded.device)
            empty = self.visual(embedded.new_zeros(side * side, values), grid_thw=grid).pooler_output
            kwargs["inputs_embeds"] = embedded + 0.0 * empty.sum().to(embedded.dtype)
        return original(*args, **kwargs)

    model.model.forward = MethodType(forward, model.model)
