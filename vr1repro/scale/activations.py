"""Bytes that one forward, or one forward and backward, holds beside weights and their gradients.

What counts is what autograd keeps and what is alive at the few moments that can be the highest: a feed-forward layer,
attention and the head, forward and backward. Tests hold the sums to FakeTensorMode through the project's own packed
forward (`training/forward/packing.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vr1repro.scale.buckets import buckets
from vr1repro.scale.shapes import PATCH, ModelShape

# How TRL's head kernel folds a tile of logits: torch makes fp32 copies, Triton (on GPUs) works in the tile.
Kernel = Literal["torch", "triton"]

# TRL's kernel: tokens and columns of a tile of logits (trl/kernels/chunked_logprob.py, training/forward/packed.py).
_TILE_TOKENS, _TILE_COLUMNS = 4096, 32768
# fp32 copies of a tile that torch holds at once, forward and backward; and a tile of bool.
_COPIES_FORWARD, _COPIES_BACKWARD = 3 * 4, 7 * 4 + 1
_FP32 = 4


@dataclass(frozen=True, kw_only=True)
class Group:
    """A prompt and the completions behind it, in tokens."""

    prompt: int
    completions: tuple[int, ...]

    @property
    def tokens(self) -> int:
        """Tokens in a packed row."""
        return self.prompt + sum(self.completions)


def packed_pass(
    shape: ModelShape,
    groups: Sequence[Group],
    *,
    grad: bool,
    checkpointing: bool = True,
    kernel: Kernel = "triton",
    element: int = 2,
) -> int:
    """Peak bytes of language model and scored head over one packed row.

    Args:
        shape: The model.
        groups: What stands in the row.
        grad: Whether a backward pass follows.
        checkpointing: Whether layers are computed again in it.
        kernel: The head's.
        element: Bytes of a number: 2 in bf16, 4 in fp32.
    """
    row = _Row(
        shape=shape,
        tokens=sum(group.tokens for group in groups),
        scored=sum(sum(group.completions) for group in groups),
        element=element,
    )
    attention = _packed_attention(shape, groups, element)
    return _peak(row, attention, grad=grad, checkpointing=checkpointing, kernel=kernel)


def dense_pass(
    shape: ModelShape,
    rows: int,
    length: int,
    *,
    checkpointing: bool = True,
    kernel: Kernel = "triton",
    element: int = 2,
) -> int:
    """Peak bytes of SFT's forward and backward over padded rows, each token scored.

    Args:
        shape: The model.
        rows: Rows of a forward.
        length: Tokens of the longest.
        checkpointing: Whether layers are computed again.
        kernel: The head's.
        element: Bytes of a number.
    """
    tokens, h = rows * length, shape.hidden
    row = _Row(shape=shape, tokens=tokens, scored=tokens, element=element)
    # One row has no mask and shares the heads of keys and values; several have one, and copies for each head.
    shared = 2 * tokens * (shape.kv_width if rows == 1 else h) * element
    mask = 0 if rows == 1 else rows * length**2 * (1 + element)
    out = tokens * h * element + tokens * shape.heads * _FP32
    attention = _Attention(
        saved=shared + out, backward=3 * tokens * h * element + mask, forward=shared + tokens * h * element + mask
    )
    return _peak(row, attention, grad=True, checkpointing=checkpointing, kernel=kernel)


def vision_pass(
    shape: ModelShape, patches: int, *, grad: bool, checkpointing: bool = True, element: int = 2
) -> tuple[int, int]:
    """Bytes of the vision tower: what stays until the backward pass, and the peak of its own work beside that.

    Args:
        shape: The model.
        patches: Of all pictures of the pass.
        grad: Whether the tower is trained.
        checkpointing: Whether its blocks are computed again.
        element: Bytes of a number.
    """
    tower = shape.vision
    wide, deep = patches * tower.hidden, patches * tower.intermediate
    # Two norms; queries, keys and values in one, turned queries and keys, attention's output twice, a residual sum.
    block = 4 * deep * element + wide * (2 * (_FP32 + 2 * element) + 8 * element)
    if not grad:
        return 0, max(3 * deep * element, wide * (3 * element + 6 * _FP32)) + 3 * wide * element
    kept = tower.depth * wide * element if checkpointing else tower.depth * block
    return kept, (block if checkpointing else 0) + 2 * deep * element + wide * element


def patches(pixels: int) -> int:
    """Patches of a picture."""
    return pixels // PATCH**2


def row_within(budget: int, prompt: int, completion: int, group: int) -> list[Group]:
    """The largest legal piece of a pass: full-length completions behind longest prompts, within a budget of tokens.

    Args:
        budget: `rl.tokens_per_forward`; a longer row goes alone.
        prompt: Tokens of the longest prompt.
        completion: The stage's longest completion.
        group: Completions of a prompt.
    """
    groups: list[Group] = []
    used = 0
    while True:
        n = min(group, (budget - used - prompt) // completion)
        if n < 1:
            return groups or [Group(prompt=prompt, completions=(completion,))]
        groups.append(Group(prompt=prompt, completions=(completion,) * n))
        used += groups[-1].tokens


@dataclass(frozen=True, kw_only=True)
class _Row:
    """Tokens of a forward, and how many of them are scored."""

    shape: ModelShape
    tokens: int
    scored: int
    element: int


@dataclass(frozen=True, kw_only=True)
class _Attention:
    """Bytes of one layer's attention.

    Attributes:
        saved: What autograd keeps, queries apart.
        backward: What stands beside that in the backward pass.
        forward: What a pass without gradients holds, queries apart.
    """

    saved: int
    backward: int
    forward: int


def _packed_attention(shape: ModelShape, groups: Sequence[Group], element: int) -> _Attention:
    h, heads = shape.hidden, shape.heads
    saved = backward = forward = 0
    for group in groups:
        # Keys and values are copied for every head that uses them.
        repeated = 2 * group.tokens * h * element
        if len(group.completions) < 2:
            saved += repeated + group.tokens * (h * element + heads * _FP32)
            backward = max(backward, 3 * group.tokens * h * element)
            forward = max(forward, repeated + group.tokens * h * element)
            continue
        saved += repeated + group.prompt * (h * element + heads * _FP32)
        for bucket in buckets(sorted(group.completions, reverse=True)):
            count, longest = len(bucket), bucket[0]
            places = count * longest
            # A prompt's keys and values stand before those of each of its completions.
            copies = 2 * count * (group.prompt + longest) * h * element
            rows = places * h * element
            mask = longest * (group.prompt + longest) * element
            saved += copies + 2 * rows + places * heads * _FP32 + mask
            backward = max(backward, copies + 2 * rows)
            forward = max(forward, repeated + copies + 4 * rows + mask)
    return _Attention(saved=saved, backward=backward, forward=forward)


def _peak(row: _Row, attention: _Attention, *, grad: bool, checkpointing: bool, kernel: Kernel) -> int:
    shape, e = row.shape, row.element
    wide, deep = row.tokens * shape.hidden, row.tokens * shape.intermediate
    angles = 2 * row.tokens * shape.head_width * e
    states = row.scored * shape.hidden
    tile = min(row.scored, _TILE_TOKENS) * min(_TILE_COLUMNS, shape.vocabulary)
    torch_forward, torch_backward = (_COPIES_FORWARD, _COPIES_BACKWARD) if kernel == "torch" else (0, 0)
    if not grad:
        feed_forward = 3 * deep * e + 4 * wide * e
        attends = 4 * wide * e + 2 * row.tokens * shape.kv_width * e + wide * e + attention.forward
        head = (wide + states) * e + tile * (e + torch_forward)
        return angles + max(feed_forward, attends, head)
    copied = _FP32 if e < _FP32 else 0  # a norm's input in fp32
    norm = wide * (copied + 2 * e)
    layer = 4 * deep * e + 2 * norm + 2 * wide * e + attention.saved  # and queries, and the sum before the second norm
    if copied == 0:
        layer += wide * e
    below = shape.layers * (wide * e if checkpointing else layer)
    again = layer if checkpointing else 0
    head = wide * (copied + e) + states * (e + _FP32) + shape.head_parameters * _FP32
    head += max(tile * (e + torch_backward), shape.head_parameters * e)
    feed_forward = again + wide * e + 2 * deep * e
    without = 4 * deep * e + norm + wide * e  # of the layer, when its feed-forward part has gone backward
    attends = again - (without if checkpointing else 0) + 2 * wide * e + attention.backward
    return angles + below + max(head, feed_forward, attends)
