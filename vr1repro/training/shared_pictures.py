"""Equal pictures of a batch are processed once: a GRPO group asks about one picture, and TRL processes it for each row.

Twice a rollout, in fact: for the tokens of its prompts and for the forward passes.
"""

from typing import Any

import torch
from transformers import BatchFeature
from transformers.image_utils import make_flat_list_of_images


def process_pictures_once(processor: Any) -> None:
    """Let a processor of the Qwen-VL family process equal pictures of a call once; what it returns is the same.

    The image processor stays one of its class, under its class's name, for it is saved with the checkpoints.
    """
    kind = type(processor.image_processor)

    def preprocess(self: Any, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        places: dict[tuple[str, tuple[int, int], bytes], int] = {}
        distinct: list[Any] = []
        owners = []
        for picture in make_flat_list_of_images(images):
            content = (picture.mode, picture.size, picture.tobytes())
            if content not in places:
                places[content] = len(distinct)
                distinct.append(picture)
            owners.append(places[content])
        found: BatchFeature = kind.preprocess(self, distinct, *args, **kwargs)
        patches = found["pixel_values"].split(found["image_grid_thw"].prod(-1).tolist())
        found["pixel_values"] = torch.cat([patches[owner] for owner in owners])
        found["image_grid_thw"] = found["image_grid_thw"][owners]
        return found

    once = type(kind.__name__, (kind,), {"preprocess": preprocess, "__module__": kind.__module__})
    processor.image_processor.__class__ = once
