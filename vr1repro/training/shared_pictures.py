"""Equal pictures of a rollout are processed once and kept once, on the host.

A GRPO group asks about one picture. TRL processes it for each completion, twice a rollout (for the tokens of its
prompts and for the forward passes), and keeps all patches on the GPU until the rollout's last update: at 1024
completions a process 13 GB for pictures of half a megapixel, 100 GB for EasyR1's largest. Here a batch holds places in
a table of patches instead, 8 bytes for 4704, and the model looks them up when its forward runs.
"""

import hashlib
from typing import Any

import torch
from transformers import BatchFeature
from transformers.image_utils import make_flat_list_of_images
from transformers.utils import PushToHubMixin

from vr1repro.core.upstream import require


def share_pictures(processor: Any) -> "SharedPictures":
    """Let a processor of the Qwen-VL family give places in a table instead of patches.

    Returns:
        The table; each model that gets the processor's batches must `look_up` in it.
    """
    require("transformers")
    processor.image_processor = SharedPictures(processor.image_processor)
    shared: SharedPictures = processor.image_processor
    return shared


class SharedPictures(PushToHubMixin):
    """An image processor around another one, which it stands for in all but its `pixel_values`: places, [patches, 1].

    transformers writes into processor_config.json the `to_dict` of what is a PushToHubMixin.
    """

    def __init__(self, image_processor: Any) -> None:
        self._image_processor = image_processor
        self.forget()

    def __getattr__(self, name: str) -> Any:
        if name == "_image_processor":  # a copy that is being made has none yet
            raise AttributeError(name)
        return getattr(self._image_processor, name)

    def to_dict(self) -> dict[str, Any]:
        """The settings of the processor inside: a checkpoint names that one."""
        settings: dict[str, Any] = self._image_processor.to_dict()
        return settings

    def fetch_images(self, images: Any) -> Any:
        """What transformers calls first; it refuses TRL's None for a row of text among rows with pictures."""
        rows = [row for row in images if row is not None] if isinstance(images, list) else images
        return self._image_processor.fetch_images(rows)

    def forget(self) -> None:
        """Empty the table; places given before mean nothing from here on."""
        self._known: dict[tuple[object, ...], int] = {}
        self._places: list[torch.Tensor] = []  # of each distinct picture
        self._grids: list[torch.Tensor] = []
        self._table: torch.Tensor | None = None

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        """Process the pictures that are not in the table yet; give each its places and its grid."""
        settings = repr((args, sorted((name, value) for name, value in kwargs.items() if name != "return_tensors")))
        owners: list[int] = []
        new: list[Any] = []
        for picture in make_flat_list_of_images(images):
            content = (picture.mode, picture.size, hashlib.sha256(picture.tobytes()).digest(), settings)
            if content not in self._known:
                self._known[content] = len(self._known)
                new.append(picture)
            owners.append(self._known[content])
        if new:
            self._add(self._image_processor(new, *args, **kwargs))
        return BatchFeature(
            {
                "pixel_values": torch.cat([self._places[owner] for owner in owners]),
                "image_grid_thw": torch.stack([self._grids[owner] for owner in owners]),
            }
        )

    def _add(self, features: BatchFeature) -> None:
        patches, grids = features["pixel_values"], features["image_grid_thw"]
        start = 0 if self._table is None else len(self._table)
        self._table = patches if self._table is None else torch.cat([self._table, patches])
        places = torch.arange(start, len(self._table))[:, None]
        self._places += places.split(grids.prod(-1).tolist())
        self._grids += list(grids)

    def patches(self, places: torch.Tensor) -> torch.Tensor:
        """Patches at their places, [patches, values], on the places' device."""
        if self._table is None:
            raise RuntimeError("places of pictures in an empty table; they are of a rollout that was forgotten")
        return self._table[places[:, 0].to(self._table.device)].to(places.device)

    def look_up(self, model: Any) -> None:
        """Let a model's forward take places where it takes patches.

        Args:
            model: The unwrapped model, of the Qwen-VL family.
        """

        def before_model(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            values = kwargs.get("pixel_values")
            if values is None or values.is_floating_point():
                return None
            return args, {**kwargs, "pixel_values": self.patches(values)}

        model.model.register_forward_pre_hook(before_model, with_kwargs=True)
