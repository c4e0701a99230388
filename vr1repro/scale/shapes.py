"""Shapes of the Qwen2.5-VL models: what memory and time follow from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.config.models import ModelSource
from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_object

# Qwen2.5-VL's patch is 14 pixels wide, and two frames deep; pictures are one frame, repeated.
PATCH, FRAMES, CHANNELS = 14, 2, 3


@dataclass(frozen=True, kw_only=True)
class VisionShape:
    """The vision tower.

    Attributes:
        depth: Blocks.
        hidden: Width.
        heads: Attention heads.
        intermediate: Width of the feed-forward layers.
        merge: Patches along each side of the square that one token of the language model stands for.
    """

    depth: int
    hidden: int
    heads: int
    intermediate: int
    merge: int = 2

    def parameters(self, out: int) -> int:
        """Parameters with the merger, whose outputs are `out` wide."""
        h, merged = self.hidden, self.hidden * self.merge**2
        block = 2 * h + (h + 1) * 3 * h + (h + 1) * h + 2 * (h + 1) * self.intermediate + (self.intermediate + 1) * h
        merger = h + (merged + 1) * merged + (merged + 1) * out
        return CHANNELS * FRAMES * PATCH**2 * h + self.depth * block + merger


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """A Qwen2.5-VL.

    Attributes:
        name: For messages.
        hidden: Width of the language model.
        layers: Its layers.
        heads: Its attention heads.
        kv_heads: Its heads of keys and values.
        intermediate: Width of its feed-forward layers.
        vocabulary: Tokens.
        tied: Whether the head's weights are the embedding's.
        vision: The vision tower.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    tied: bool
    vision: VisionShape

    @property
    def head_width(self) -> int:
        """Width of an attention head."""
        return self.hidden // self.heads

    @property
    def kv_width(self) -> int:
        """Width of a token's keys, and of its values."""
        return self.kv_heads * self.head_width

    @property
    def layer_parameters(self) -> int:
        """Parameters of a layer of the language model; only q, k and v have biases."""
        h = self.hidden
        return 2 * h + (h + 1) * (h + 2 * self.kv_width) + h * h + 3 * h * self.intermediate

    @property
    def head_parameters(self) -> int:
        """Elements of the head's weights, tied or not."""
        return self.vocabulary * self.hidden

    @property
    def language_parameters(self) -> int:
        """Parameters of the language model with its embedding, without the head."""
        return self.vocabulary * self.hidden + self.layers * self.layer_parameters + self.hidden

    @property
    def vision_parameters(self) -> int:
        """Parameters of the vision tower with its merger."""
        return self.vision.parameters(self.hidden)

    @property
    def parameters(self) -> int:
        """All parameters; a tied head counts once."""
        return self.language_parameters + self.vision_parameters + (0 if self.tied else self.head_parameters)

    def trained(self, *, freeze_vision: bool) -> int:
        """Parameters that a training changes."""
        return self.parameters - (self.vision_parameters if freeze_vision else 0)

    def picture_tokens(self, pixels: int) -> int:
        """Tokens of a picture, up to the rounding of its sides."""
        return pixels // (PATCH * self.vision.merge) ** 2


_SMALL_TOWER = VisionShape(depth=32, hidden=1280, heads=16, intermediate=3420)
_LARGE_TOWER = VisionShape(depth=32, hidden=1280, heads=16, intermediate=3456)
# config.json of Qwen/Qwen2.5-VL-{3B,7B,32B,72B}-Instruct.
QWEN_3B = ModelShape(
    name="Qwen2.5-VL-3B", hidden=2048, layers=36, heads=16, kv_heads=2, intermediate=11008, vocabulary=151936,
    tied=True, vision=_SMALL_TOWER,
)  # fmt: skip
QWEN_7B = ModelShape(
    name="Qwen2.5-VL-7B", hidden=3584, layers=28, heads=28, kv_heads=4, intermediate=18944, vocabulary=152064,
    tied=False, vision=_SMALL_TOWER,
)  # fmt: skip
QWEN_32B = ModelShape(
    name="Qwen2.5-VL-32B", hidden=5120, layers=64, heads=40, kv_heads=8, intermediate=27648, vocabulary=152064,
    tied=False, vision=_LARGE_TOWER,
)  # fmt: skip
QWEN_72B = ModelShape(
    name="Qwen2.5-VL-72B", hidden=8192, layers=80, heads=64, kv_heads=8, intermediate=29568, vocabulary=152064,
    tied=False, vision=_LARGE_TOWER,
)  # fmt: skip
SHAPES = (QWEN_3B, QWEN_7B, QWEN_32B, QWEN_72B)
_HUB = {f"Qwen/{shape.name}-Instruct": shape for shape in SHAPES} | {
    "Osilly/Vision-R1-7B": QWEN_7B,
    "Osilly/Vision-R1-CI-7B": QWEN_7B,
    "Osilly/Vision-R1-32B": QWEN_32B,
    "Osilly/Vision-R1-72B": QWEN_72B,
}


def shape_of(source: ModelSource) -> ModelShape | None:
    """The shape of a model: by its hub id, or by a local folder's config.json; None where it is not known.

    The lab's model is None too: it fits anywhere.
    """
    if source.kind == "hub":
        return _HUB.get(source.id)
    if source.kind == "lab":
        return None
    try:
        values = json_object(Path(source.path, "config.json"))
    except UserError:  # who loads the model says what is wrong with it
        return None
    return _of_config(Path(source.path).name, values)


def _of_config(name: str, values: dict[str, Any]) -> ModelShape | None:
    """Of a config.json; the hub's files have the language model's keys at the top, transformers 5 under text_config."""
    if values.get("model_type") != "qwen2_5_vl" or "vision_config" not in values:
        return None
    text, vision = {**values, **values.get("text_config", {})}, values["vision_config"]
    try:
        return ModelShape(
            name=name,
            hidden=text["hidden_size"],
            layers=text["num_hidden_layers"],
            heads=text["num_attention_heads"],
            kv_heads=text["num_key_value_heads"],
            intermediate=text["intermediate_size"],
            vocabulary=text["vocab_size"],
            tied=bool(values.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
            vision=VisionShape(
                depth=vision.get("depth", 32),
                hidden=vision["hidden_size"],
                heads=vision.get("num_heads", 16),
                intermediate=vision["intermediate_size"],
                merge=vision.get("spatial_merge_size", 2),
            ),
        )
    except (KeyError, TypeError, AttributeError):
        return None
