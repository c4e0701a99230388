"""Rows without a picture in training whose weights are sharded over processes.

ZeRO-3 and FSDP2 gather a layer's weights when its forward runs, on all processes together. Where one process's rows
have pictures and another's have none, the second never runs the vision tower: the first waits for ever, or takes the
next collective for its own. So a row of text runs the tower on an empty picture, whose features are added with
weight zero, as LLaMA-Factory (`mm_plugin`, fake images) and EasyR1 do.
"""

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
    sees = [True]  # whether the forward under way has pictures of its own, or needs none

    def before_model(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        # Sampling has a cache, and steps that no other process makes.
        sees[0] = kwargs.get("pixel_values") is not None or bool(kwargs.get("use_cache"))

    # After the embedding and before the first layer, where pictures are encoded too: collectives keep their order.
    def before_language(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if sees[0]:
            return None
        embedded = kwargs["inputs_embeds"]
        grid = torch.tensor([[1, side, side]], device=embedded.device)
        empty = model.model.visual(embedded.new_zeros(side * side, values), grid_thw=grid).pooler_output
        return args, {**kwargs, "inputs_embeds": embedded + 0.0 * empty.sum().to(embedded.dtype)}

    model.model.register_forward_pre_hook(before_model, with_kwargs=True)
    model.model.language_model.register_forward_pre_hook(before_language, with_kwargs=True)
