"""Peak bytes of a pass under FakeTensorMode, through the project's own packed forward: neither memory nor weights.

Two and three layers are run; each further one adds the difference (`peak_of_layers`).
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from vr1repro.scale.activations import Group
from vr1repro.scale.shapes import ModelShape
from vr1repro.training.forward.packed import _score
from vr1repro.training.forward.packing import LAYOUT, Layout, lay_out, use_packed_attention

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
        self._bytes: dict[int, int] = {}
        self.live = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made."""
        out = func(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, torch.Tensor):
                self._count(made.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._bytes or key in self._given:
            return
        self._bytes[key] = storage.nbytes()
        self.live += storage.nbytes()
        weakref.finalize(storage, self._free, key)
        self.peak = max(self.peak, self.live)

    def _free(self, key: int) -> None:
        self.live -= self._bytes.pop(key)


def packed_peak(
    shape: ModelShape,
    groups: Sequence[Group],
    *,
    grad: bool,
    checkpointing: bool = True,
    layers: int,
    dtype: torch.dtype = torch.bfloat16,
) -> int:
    """Peak bytes of the language model and the scored head over one packed row, weights and their gradients apart."""
    layout = _layout(groups, "cpu")
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = _model(shape, layers, dtype, grad=grad, checkpointing=checkpointing)
        run = _pass(model, layout, grad=grad, device="cpu")
        with Peak([*model.parameters(), *model.buffers()]) as peak:
            run()
    return peak.peak


def real_model(shape: ModelShape, groups: Sequence[Group], *, layers: int, grad: bool) -> Callable[[], None]:
    """The same pass in bf16 on a GPU, to be run."""
    with torch.device("cuda"):
        model = _model(shape, layers, torch.bfloat16, grad=grad, checkpointing=True)
    return _pass(model, _layout(groups, "cuda"), grad=grad, device="cuda")


def _layout(groups: Sequence[Group], device: str) -> Layout:
    owners = [number for number, group in enumerate(groups) for _ in group.completions]
    lengths = [length for group in groups for length in group.completions]
    layout = lay_out([group.prompt for group in groups], owners, lengths)
    for segment in layout.segments:
        segment.rows(torch.device(device))
    return layout


def _pass(model: Any, layout: Layout, *, grad: bool, device: str) -> Callable[[], None]:
    scored = layout.tokens - sum(segment.length for segment in layout.segments)
    positions = torch.zeros(3, 1, layout.tokens, dtype=torch.long, device=device)
    places = torch.zeros(scored, dtype=torch.long, device=device)
    hidden = model.config.text_config.hidden_size

    def run() -> None:
        with torch.set_grad_enabled(grad):
            embedded = torch.empty(1, layout.tokens, hidden, dtype=model.dtype, device=device, requires_grad=grad)
            states = model.model.language_model(
                inputs_embeds=embedded, position_ids=positions, attention_mask={"full_attention": None},
                use_cache=False, **{LAYOUT: layout},
            ).last_hidden_state[0].index_select(0, places)  # fmt: skip
            log_probs, _ = _score(model.get_output_embeddings(), states, places, 1.0)
            del states, embedded
            if grad:
                log_probs.sum().backward()

    return run


def dense_peak(shape: ModelShape, rows: int, length: int, *, layers: int) -> int:
    """Peak bytes of the same over padded rows, every token scored, forward and backward."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = _model(shape, layers, torch.bfloat16, grad=True, checkpointing=True, packed=False)
        positions = torch.zeros(3, rows, length, dtype=torch.long)
        targets = torch.zeros(rows * length, dtype=torch.long)
        mask = None if rows == 1 else torch.ones(rows, 1, length, length, dtype=torch.bool)
        with Peak([*model.parameters(), *model.buffers(), *([] if mask is None else [mask])]) as peak:
            embedded = torch.empty(rows, length, shape.hidden, dtype=torch.bfloat16, requires_grad=True)
            states = model.model.language_model(
                inputs_embeds=embedded, position_ids=positions, attention_mask={"full_attention": mask},
                use_cache=False,
            ).last_hidden_state.flatten(0, 1)  # fmt: skip
            log_probs, _ = _score(model.get_output_embeddings(), states, targets, 1.0)
            del states, embedded
            log_probs.sum().backward()
    return peak.peak


def peak_of_layers(shape: ModelShape, peak: Callable[..., int], *args: Any, **options: Any) -> int:
    """A peak with all of a model's layers: a layer more adds what one keeps."""
    two, three = (peak(shape, *args, layers=layers, **options) for layers in (2, 3))
    return two + (three - two) * (shape.layers - 2)


def _drop_gradient(parameter: torch.nn.Parameter) -> None:
    """Gradients are counted with the states, and a sharded model drops each once it is reduced."""

    def drop(reduced: torch.Tensor) -> None:
        reduced.grad = None

    parameter.register_post_accumulate_grad_hook(drop)


def _model(
    shape: ModelShape, layers: int, dtype: torch.dtype, *, grad: bool, checkpointing: bool, packed: bool = True
) -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model: Any = Qwen2_5_VLForConditionalGeneration(config_of(shape, layers, tower=False)).train()
    finally:
        torch.set_default_dtype(before)
    if packed:
        use_packed_attention(model)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    for parameter in model.parameters():
        parameter.requires_grad_(grad)
        if grad:
            _drop_gradient(parameter)
    return model


def vision_peak(shape: ModelShape, height: int, width: int, *, grad: bool) -> int:
    """Peak bytes of the vision tower over one picture of so many patches, from real tensors: it reads its grid.

    Its weights are made, so it takes a shape with few blocks.
    """
    config = config_of(shape, 1)
    config.vision_config.depth = shape.vision.depth
    config.vision_config.fullatt_block_indexes = [shape.vision.depth - 1]
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        tower: Any = Qwen2_5_VisionTransformerPretrainedModel(config.vision_config).train()
    finally:
        torch.set_default_dtype(before)
    tower.gradient_checkpointing_enable({"use_reentrant": False})
    for parameter in tower.parameters():
        parameter.requires_grad_(grad)
        if grad:
            _drop_gradient(parameter)
    grid = torch.tensor([[1, height, width]])
    pixels = torch.zeros(height * width, 1176, dtype=torch.bfloat16)
    with Peak([*tower.parameters(), *tower.buffers(), pixels]) as peak, torch.set_grad_enabled(grad):
        out = tower(pixels, grid_thw=grid).pooler_output
        if grad:
            out.float().sum().backward()
    return peak.peak
