"""Equal pictures of a batch are processed once: a GRPO group asks about one picture, and TRL processes it for each row.

Twice a rollout, in fact: for the tokens of its prompts and for the forward passes.
"""

from typing import Any

import torch
from transformers import BatchFeature
from transformers.image_utils import make_flat_list_of_images
from transformers.utils import PushToHubMixin

from vr1repro.core.upstream import require


def process_pictures_once(processor: Any) -> None:
    """Let a processor of the Qwen-VL family process equal pictures of a call once; its outputs stay the same."""
    require("transformers")
    processor.image_processor = SharedPictures(processor.image_processor)


class SharedPictures(PushToHubMixin):
    """An image processor around another one, which it stands for in all but repeated work.

    transformers writes into processor_config.json the `to_dict` of what is a PushToHubMixin.
    """

    def __init__(self, image_processor: Any) -> None:
        self._image_processor = image_processor

    def __getattr__(self, name: str) -> Any:
        if name == "_image_processor":  # a copy that is being made has none yet
            raise AttributeError(name)
        return getattr(self._image_processor, name)

    def to_dict(self) -> dict[str, Any]:
        """The settings of the processor inside: a checkpoint names that one."""
        settings: dict[str, Any] = self._image_processor.to_dict()
        return settings

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """Process distinct pictures, and repeat their patches and grids."""
        indices: dict[tuple[str, tuple[int, int], bytes], int] = {}
        distinct: list[Any] = []
        owners = []
        for picture in make_flat_list_of_images(images):
            content = (picture.mode, picture.size, picture.tobytes())
            if content not in indices:
                indices[content] = len(distinct)
                distinct.append(picture)
            owners.append(indices[content])
        features: BatchFeature = self._image_processor(distinct, *args, **kwargs)
        patches = features["pixel_values"].split(features["image_grid_thw"].prod(-1).tolist())
        features["pixel_values"] = torch.cat([patches[owner] for owner in owners])
        features["image_grid_thw"] = features["image_grid_thw"][owners]
        return features
