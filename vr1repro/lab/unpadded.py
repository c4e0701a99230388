"""The lab model's forward over rows without their padding, which is 43 % of a pretraining batch.

All but attention works on tokens one by one, so the rows stand one after another. Attention lays them out as rows, and
in the vision tower takes windows of equal size together where transformers goes through them one by one. Positions and
windows are worked out once for a grid. A patch is a matrix product's row; as a convolution its backward takes ten times
as long. In exact arithmetic nothing changes.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch.nn.functional import linear, pad, scaled_dot_product_attention
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.vision_utils import get_vision_position_ids, get_vision_window_index

from vr1repro.core.upstream import require

_ROWS = "vr1repro_rows"
_WINDOWS = "vr1repro_flash_windows"  # transformers hands all windows over at once to names with "flash" in them


class Unpadded:
    """Forward of a Qwen2.5-VL inside `without_padding`, one picture a row."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._places: dict[tuple[int, ...], torch.Tensor] = {}

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Last hidden states of all tokens but padding, [tokens, hidden], one row after another.

        Args:
            inputs: A batch padded on the right: input_ids, attention_mask and mm_token_type_ids [rows, length],
                pixel_values and image_grid_thw.
        """
        mask = inputs["attention_mask"].bool()
        place = (mask.flatten().cumsum(0) - 1).view(mask.shape)  # padding takes the row's last token, which none sees
        states: torch.Tensor = self._model.model(
            input_ids=inputs["input_ids"][mask][None],
            attention_mask={"full_attention": None},  # `_rows` needs none
            position_ids=self._positions(inputs)[:, None],
            pixel_values=inputs["pixel_values"],
            image_grid_thw=inputs["image_grid_thw"],
            use_cache=False,
            row_layout=(place, mask.flatten().nonzero()[:, 0]),
        ).last_hidden_state[0]
        return states

    def _positions(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """M-RoPE positions, [3, tokens]. They depend on where a row's picture stands and on its grid alone."""
        kinds = inputs["mm_token_type_ids"]
        starts, ends = kinds.argmax(1).tolist(), inputs["attention_mask"].sum(1).tolist()
        grids = inputs["image_grid_thw"].tolist()
        row_positions = []
        for row, (start, end, grid) in enumerate(zip(starts, ends, grids, strict=True)):
            key = (start, *grid)
            if key not in self._places or self._places[key].shape[1] < end:
                positions, _ = self._model.model.get_rope_index(
                    input_ids=inputs["input_ids"][row, None],
                    mm_token_type_ids=kinds[row, None],
                    image_grid_thw=inputs["image_grid_thw"][row, None],
                    attention_mask=torch.ones_like(kinds[row, None]),
                )
                self._places[key] = positions[:, 0]
            row_positions.append(self._places[key][:, :end])
        return torch.cat(row_positions, 1)


@contextmanager
def without_padding(model: Any) -> Iterator[Unpadded]:
    """Let a Qwen2.5-VL's own forward be as before once this ends."""
    require("transformers")
    visual = model.model.visual
    embed = visual.patch_embed
    ours = {"text_config": _ROWS, "vision_config": _WINDOWS}
    before = {part: getattr(model.config, part)._attn_implementation for part in ours}
    model.set_attn_implementation(ours)
    embed.forward = partial(_embed, embed.proj)
    visual.forward = partial(_see, visual.forward, cache(partial(_index, visual)))
    try:
        yield Unpadded(model)
    finally:
        model.set_attn_implementation(before)
        del embed.forward, visual.forward


def _embed(convolution: torch.nn.Conv3d, patches: torch.Tensor) -> torch.Tensor:
    """Patches [n, values] as the tower's states [n, width]: the kernel covers a patch, and its stride is its size."""
    return linear(patches, convolution.weight.flatten(1))


def _index(visual: Any, grid: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of one picture: its patches' positions, its merged tokens by windows, and where each window ends in patches."""
    grids = torch.tensor([grid])
    index, ends = get_vision_window_index(grids, visual.spatial_merge_size, visual.window_size, visual.patch_size)
    return get_vision_position_ids(grids, visual.spatial_merge_size), index, ends[1:]


def _see(
    forward: Callable[..., Any], index: Callable[..., Any], patches: torch.Tensor, grid_thw: torch.Tensor, **kwargs: Any
) -> Any:
    """The tower's forward, handed what it would work out for each picture anew though only the grid decides it."""
    positions, windows, ends = zip(*(index(tuple(grid)) for grid in grid_thw.tolist()), strict=True)
    counts = torch.tensor([len(window) for window in windows])
    starts = (counts.cumsum(0) - counts).tolist()
    unit = int(ends[0][-1]) // len(windows[0])  # patches of a merged token
    borders = torch.cat([end + start * unit for end, start in zip(ends, starts, strict=True)])
    return forward(
        patches,
        grid_thw,
        position_ids=torch.cat(positions),
        window_index=torch.cat([window + start for window, start in zip(windows, starts, strict=True)]),
        cu_window_seqlens=pad(borders, (1, 0)).int(),
        **kwargs,
    )


def _rows(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    row_layout: tuple[torch.Tensor, torch.Tensor],
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each row: [1, heads, tokens, width] to [1, tokens, heads, width]."""
    place, back = row_layout

    def lay_out(states: torch.Tensor) -> torch.Tensor:
        rows = states[0].transpose(0, 1).index_select(0, place.flatten())
        return rows.unflatten(0, place.shape).transpose(1, 2)

    out = scaled_dot_product_attention(
        lay_out(query), lay_out(key), lay_out(value), is_causal=True, scale=scaling, enable_gqa=True
    )
    return out.transpose(1, 2).flatten(0, 1).index_select(0, back)[None], None


def _windows(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    cu_seq_lens_q: torch.Tensor,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within each window: [1, heads, patches, width] to [1, patches, heads, width]."""
    starts, sizes = cu_seq_lens_q[:-1], cu_seq_lens_q.diff()
    parts, places = [], []
    for size in sizes.unique().tolist():
        place = (starts[sizes == size][:, None] + torch.arange(size)).flatten()
        windows = [x[0].index_select(1, place).unflatten(1, (-1, size)).transpose(0, 1) for x in (query, key, value)]
        out = scaled_dot_product_attention(windows[0], windows[1], windows[2], scale=scaling)
        parts.append(out.transpose(1, 2).flatten(0, 1))
        places.append(place)
    return torch.cat(parts).index_select(0, torch.cat(places).argsort())[None], None


ALL_ATTENTION_FUNCTIONS.register(_ROWS, _rows)
ALL_ATTENTION_FUNCTIONS.register(_WINDOWS, _windows)
ALL_MASK_ATTENTION_FUNCTIONS.register(_ROWS, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
