"""One row of tokens for a whole batch: each prompt once, its completions behind it, no padding.

Everything in a decoder but attention works on tokens one by one, so prompts and completions of any length may stand in
one row. `attention` then lets a completion see its prompt and itself, and nothing else. In exact arithmetic nothing
changes against rows of their own.

With prompts of P tokens, completions of R and groups of G, a forward has P+GR tokens instead of G(P+R).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vr1repro.scale.buckets import buckets

ATTENTION = "vr1repro_packed"
LAYOUT = "packed_layout"  # the keyword under which the model hands the layout on to `attention`


@dataclass(frozen=True)
class Segment:
    """A prompt and its completions as they lie in the row.

    Attributes:
        start: Place of the prompt's first token.
        length: Tokens of the prompt.
        buckets: Lengths of the completions behind it, longest first, in buckets of like length.
    """

    start: int
    length: int
    buckets: tuple[tuple[int, ...], ...]
    # By device; all layers of a model use them.
    _rows: dict[torch.device, list[tuple[torch.Tensor, torch.Tensor]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def end(self) -> int:
        """Place behind its last completion."""
        return self.start + self.length + sum(map(sum, self.buckets))

    def rows(self, device: torch.device) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Completions as padded rows, one bucket after another.

        Returns:
            For each bucket the places of its tokens, counted from the segment's start, [b, R], padding with the last
            one's; and which of these b*R are tokens.
        """
        if device not in self._rows:
            place, buckets = self.length, []
            for lengths in self.buckets:
                counts = torch.tensor(lengths)
                tokens = torch.arange(lengths[0])
                starts = place + counts.cumsum(0) - counts
                filled = (tokens < counts[:, None]).flatten().nonzero()[:, 0]
                rows = starts[:, None] + torch.minimum(tokens, counts[:, None] - 1)
                buckets.append((rows.to(device), filled.to(device)))
                place += sum(lengths)
            self._rows[device] = buckets
        return self._rows[device]


class Layout:
    """Where prompts and completions lie in the row.

    Not a dataclass: in bf16 FSDP2 copies those among a forward's arguments field by field, at every layer.

    Attributes:
        segments: The prompts in their order.
        order: The batch's rows in the order of their completions.
        starts: Place of each of these completions' first token.
    """

    def __init__(self, segments: tuple[Segment, ...], order: tuple[int, ...], starts: tuple[int, ...]) -> None:
        self.segments, self.order, self.starts = segments, order, starts

    @property
    def tokens(self) -> int:
        """Tokens in the row."""
        return self.segments[-1].end


def lay_out(prompts: Sequence[int], owners: Sequence[int], lengths: Sequence[int]) -> Layout:
    """Put completions behind their prompts.

    Args:
        prompts: Tokens of each prompt, [n].
        owners: Prompt of each completion, [B].
        lengths: Tokens of each completion, [B].

    Returns:
        The layout; longest completions stand first behind their prompt, equal ones in the batch's order, empty ones
        not at all.
    """
    segments, order, starts = [], [], []
    place = 0
    for prompt, length in enumerate(prompts):
        completions = [row for row, owner in enumerate(owners) if owner == prompt and lengths[row]]
        rows = sorted(completions, key=lambda row: -lengths[row])
        segment = Segment(place, length, tuple(buckets([lengths[row] for row in rows])))
        place += length
        for row in rows:
            order.append(row)
            starts.append(place)
            place += lengths[row]
        segments.append(segment)
    return Layout(tuple(segments), tuple(order), tuple(starts))


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention over a packed row; without a layout transformers' own.

    Args:
        module: The attention layer.
        query: [1, heads, T, width] of a row of T tokens.
        key: [1, key heads, T, width].
        value: As `key`.
        attention_mask: Used without a layout only.
        kwargs: transformers' further arguments, and the layout under `LAYOUT`.

    Returns:
        [1, T, heads, width], and None for the weights.
    """
    layout: Layout | None = kwargs.pop(LAYOUT, None)
    if layout is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    groups = query.shape[1] // key.shape[1]
    scale = kwargs.get("scaling")
    parts = []
    for segment in layout.segments:
        cut = slice(segment.start, segment.end)
        q, k, v = query[:, :, cut], repeat_kv(key[:, :, cut], groups), repeat_kv(value[:, :, cut], groups)
        if sum(map(len, segment.buckets)) < 2:  # a prompt and one completion are a row like any other
            parts.append(scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)[0].transpose(0, 1))
        else:
            parts.extend(_one_prompt(segment, q, k, v, scale))
    return torch.cat(parts)[None], None


def _one_prompt(
    segment: Segment, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float | None
) -> list[torch.Tensor]:
    """Attention of a prompt and its completions; parts of [tokens, heads, width] in the row's order."""
    p = segment.length
    shared = [x[:, :, :p] for x in (q, k, v)]
    of_prompt = scaled_dot_product_attention(shared[0], shared[1], shared[2], is_causal=True, scale=scale)
    parts = [of_prompt[0].transpose(0, 1)]
    for place, filled in segment.rows(q.device):
        # [b, heads, R, width]; what pads the shorter ones stands behind all that they see.
        rows = [x[0].index_select(1, place.flatten()).unflatten(1, place.shape).transpose(0, 1) for x in (q, k, v)]
        ks, vs = (
            torch.cat([prompt.expand(len(place), -1, -1, -1), completions], 2)
            for prompt, completions in zip(shared[1:], rows[1:], strict=True)
        )
        longest = place.shape[1]
        seen = torch.ones(longest, p + longest, dtype=torch.bool, device=q.device).tril(p)
        out = scaled_dot_product_attention(rows[0], ks, vs, attn_mask=seen, scale=scale)
        parts.append(out.transpose(1, 2).flatten(0, 1).index_select(0, filled))
    return parts


def use_packed_attention(model: Any, name: str = ATTENTION) -> None:
    """Let a model's language part use a registered attention; nothing changes for calls without a layout."""
    model.set_attn_implementation({"text_config": name})


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
