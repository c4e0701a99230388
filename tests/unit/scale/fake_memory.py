"""Peak bytes of a pass under FakeTensorMode, through the project's own packed forward: no memory is used, no weight made.

A few layers are run; a layer more adds what one keeps (`peak_of_layers`).
"""

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from vr1repro.scale.activations import Group
from vr1repro.scale.shapes import ModelShape
from vr1repro.training.forward.packed import _score
from vr1repro.training.forward.packing import LAYOUT, lay_out, use_packed_attention

_TINY_TOWER = {"depth": 2, "hidden_size": 64, "num_heads": 4, "intermediate_size": 128, "fullatt_block_indexes": [1]}


def config_of(shape: ModelShape, layers: int | None = None, *, tower: bool = True) -> Qwen2_5_VLConfig:
    """transformers' config of a shape, with fewer layers or a tiny vision tower where asked for."""
    vision = shape.vision
    full = {"depth": vision.depth, "hidden_size": vision.hidden, "num_heads": vision.heads,
            "intermediate_size": vision.intermediate, "spatial_merge_size": vision.merge,
            "fullatt_block_indexes": [7, 15, 23, 31]}  # fmt: skip
    return Qwen2_5_VLConfig(
        text_config={
            "hidden_size": shape.hidden, "num_hidden_layers": layers or shape.layers,
            "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads,
            "intermediate_size": shape.intermediate, "vocab_size": shape.vocabulary, "tie_word_embeddings": shape.tied,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
        },
        vision_config={**(full if tower else _TINY_TOWER), "out_hidden_size": shape.hidden},
        tie_word_embeddings=shape.tied,
    )  # fmt: skip


class Peak(TorchDispatchMode):
    """Counts the bytes of storages that operations make, while they live.

    Args:
        given: Tensors that are not counted.
    """

    def __init__(self, given: Sequence[torch.Tensor]) -> None:
        super().__init__()
        self._given = {tensor.untyped_storage()._cdata for tensor in given}
        self._bytes: dict[int, tuple[int, str]] = {}
        self.live = self.peak = 0
        self.held: dict[str, int] = {}  # at the peak, by operation

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made."""
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, torch.Tensor):
                self._count(made, str(func))
        return out

    def _count(self, made: torch.Tensor, what: str) -> None:
        storage = made.untyped_storage()
        key = storage._cdata
        if key in self._bytes or key in self._given:
            return
        self._bytes[key] = (storage.nbytes(), f"{what} {tuple(made.shape)} {made.dtype}")
        self.live += storage.nbytes()
        weakref.finalize(storage, self._free, key)
        if self.live > self.peak:
            self.peak = self.live
            self.held = {}
            for size, name in self._bytes.values():
                self.held[name] = self.held.get(name, 0) + size

    def _free(self, key: int) -> None:
        self.live -= self._bytes.pop(key)[0]


def packed_peak(
    shape: ModelShape,
    groups: Sequence[Group],
    *,
    grad: bool,
    checkpointing: bool = True,
    layers: int,
    dtype: torch.dtype = torch.bfloat16,
    show: bool = False,
) -> int:
    """Peak bytes of the language model and the scored head over one packed row, weights and their gradients apart."""
    owners = [number for number, group in enumerate(groups) for _ in group.completions]
    lengths = [length for group in groups for length in group.completions]
    layout = lay_out([group.prompt for group in groups], owners, lengths)
    for segment in layout.segments:
        segment.rows(torch.device("cpu"))
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = _model(shape, layers, dtype, grad=grad, checkpointing=checkpointing)
        positions = torch.zeros(3, 1, layout.tokens, dtype=torch.long)
        places = torch.zeros(sum(lengths), dtype=torch.long)
        with Peak([*model.parameters(), *model.buffers()]) as peak, torch.set_grad_enabled(grad):
            embedded = torch.empty(1, layout.tokens, shape.hidden, dtype=dtype, requires_grad=grad)
            states = model.model.language_model(
                inputs_embeds=embedded, position_ids=positions, attention_mask={"full_attention": None},
                use_cache=False, **{LAYOUT: layout},
            ).last_hidden_state[0].index_select(0, places)  # fmt: skip
            log_probs, _ = _score(model.get_output_embeddings(), states, places, 1.0)
            del states, embedded
            if grad:
                log_probs.sum().backward()
    if show:
        for name, size in sorted(peak.held.items(), key=lambda item: -item[1])[:24]:
            print(f"   {size / 2**30:8.3f} {size / peak.peak:5.2f} {name}")
    return peak.peak


def peak_of_layers(shape: ModelShape, groups: Sequence[Group], few: tuple[int, int] = (2, 3), **options: Any) -> int:
    """`packed_peak` of all of a model's layers, from two small numbers of them."""
    first, second = (packed_peak(shape, groups, layers=layers, **options) for layers in few)
    return first + (second - first) // (few[1] - few[0]) * (shape.layers - few[0])


def _model(shape: ModelShape, layers: int, dtype: torch.dtype, *, grad: bool, checkpointing: bool) -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model: Any = Qwen2_5_VLForConditionalGeneration(config_of(shape, layers, tower=False)).train()
    finally:
        torch.set_default_dtype(before)
    use_packed_attention(model)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    for parameter in model.parameters():
        parameter.requires_grad_(grad)
        if grad:  # counted with the states, and a sharded model drops each once it is reduced

            def drop(parameter: torch.Tensor) -> None:
                parameter.grad = None

            parameter.register_post_accumulate_grad_hook(drop)
    return model
