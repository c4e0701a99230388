"""Log-probabilities of a batch's completions in one packed forward: no prompt twice, no padding, no full logits.

The completions of a GRPO group differ only after the prompt. Stock TRL forwards prompt and picture once a completion,
pads completions to the longest, and without Triton scores the prompt's positions too. Here the distinct prompts, with
their pictures, and all completions are one row of tokens (`packing`), and only completion tokens are scored, in chunks.
Tests hold log-probabilities and gradients in fp32 to stock TRL's.
"""

import functools
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from vr1repro.core.errors import UserError
from vr1repro.training.packing import LAYOUT, lay_out, use_packed_attention


@dataclass(frozen=True)
class Ways:
    """What the packed forward does; each part can be switched off alone.

    Attributes:
        share_prefix: Equal prompts with equal pictures stand once.
        pack: Completions stand without their padding.
        logit_tokens: Logits of at most this many tokens exist at once; 0: of all.
    """

    share_prefix: bool = True
    pack: bool = True
    logit_tokens: int = 4096


@dataclass(frozen=True)
class GroupedRows:
    """Completions and the prompts that they belong to.

    Attributes:
        prompts: Inputs of the n prompts: input_ids and attention_mask [n, P], left-padded, and with pictures
            mm_token_type_ids [n, P], pixel_values and image_grid_thw.
        owners: Prompt of each completion, [B].
        completion_ids: [B, R], right-padded.
        completion_mask: [B, R], 1 on tokens.
        temperature: Divides the logits.
        ways: How the forward is made.
    """

    prompts: dict[str, torch.Tensor]
    owners: list[int]
    completion_ids: torch.Tensor
    completion_mask: torch.Tensor
    temperature: float
    ways: Ways


def distinct_prompts(
    prompts: dict[str, torch.Tensor],
    pixel_values: torch.Tensor | None,
    image_grid_thw: torch.Tensor | None,
    num_images: list[int] | None,
    *,
    share: bool = True,
) -> tuple[dict[str, torch.Tensor], list[int]]:
    """Keep equal prompts, pictures included, once. TRL shuffles a rollout's rows, so equal ones need not be neighbours.

    Args:
        prompts: Tensors with a row a completion, [B, P].
        pixel_values: Patches of all rows' pictures, [patches, values], or None.
        image_grid_thw: Grid of each picture, [pictures, 3].
        num_images: Pictures of each row.
        share: Otherwise every row keeps its own.

    Returns:
        Inputs of the n distinct prompts in the order in which they first come, and the prompt of each row, [B].
    """
    n = len(prompts["input_ids"])
    patches: tuple[torch.Tensor, ...] = ()
    grids: tuple[torch.Tensor, ...] = ()
    if pixel_values is not None and image_grid_thw is not None and num_images is not None:
        grids = torch.split(image_grid_thw, num_images)
        patches = torch.split(pixel_values, [int(grid.prod(-1).sum()) for grid in grids])

    # Equal words may stand under different pictures.
    shown = [*prompts.values(), *([grids, patches] if patches else [])]

    def alike(row: int, other: int) -> bool:
        return all(torch.equal(value[row], value[other]) for value in shown)

    first: list[int] = []
    owners = []
    for row in range(n):
        known = (k for k, other in enumerate(first) if alike(row, other)) if share else iter(())
        owner = next(known, len(first))
        if owner == len(first):
            first.append(row)
        owners.append(owner)
    distinct = {name: value[first] for name, value in prompts.items()}
    if patches:
        distinct["pixel_values"] = torch.cat([patches[row] for row in first])
        distinct["image_grid_thw"] = torch.cat([grids[row] for row in first])
    return distinct, owners


def add_grouped_forward(model: PreTrainedModel) -> None:
    """Teach a model's forward the keyword `grouped` (`GroupedRows`); it then returns log-probabilities and entropies.

    A forward of the model itself, so that wrappers (DDP) see a forward like any other.

    Raises:
        UserError: The model has other positions than Qwen2.5-VL's.
    """
    if not hasattr(model.model, "get_rope_index"):
        raise UserError(
            f"rl.share_prefix, rl.pack: {type(model).__name__} does not place its tokens as Qwen2.5-VL does; set both"
            " to false"
        )
    use_packed_attention(model)
    original = model.forward

    # `generate` checks its arguments against the original signature.
    @functools.wraps(type(model).forward)
    def forward(self: PreTrainedModel, *args: Any, grouped: GroupedRows | None = None, **kwargs: Any) -> Any:
        return original(*args, **kwargs) if grouped is None else grouped_log_probs(self, grouped)

    model.forward = MethodType(forward, model)


def grouped_log_probs(model: Any, rows: GroupedRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of completion tokens, each [B, R]; zero on padding."""
    mask = rows.completion_mask.bool()
    if not mask.any():  # all were cut and are masked: one token keeps the graph
        mask = torch.zeros_like(mask).index_fill_(1, torch.tensor([0], device=mask.device), True)
    filled = mask.sum(1).tolist()
    lengths = filled if rows.ways.pack else [mask.shape[1]] * len(mask)
    real = rows.prompts["attention_mask"].bool()
    layout = lay_out(real.sum(1).tolist(), rows.owners, lengths)
    positions, offsets = _positions(model, rows.prompts)
    device = mask.device

    ids: list[torch.Tensor] = []
    places: list[torch.Tensor] = []
    before: list[torch.Tensor] = []  # the token whose state predicts each scored token
    completions = iter(zip(layout.order, layout.starts, strict=True))
    for prompt, segment in enumerate(layout.segments):
        ids.append(rows.prompts["input_ids"][prompt][real[prompt]])
        places.append(positions[:, prompt, real[prompt]])
        for _ in range(sum(map(len, segment.buckets))):
            row, start = next(completions)
            ids.append(rows.completion_ids[row, : lengths[row]])
            places.append((offsets[prompt] + torch.arange(lengths[row], device=device)).expand(3, -1))
            own = torch.arange(start - 1, start - 1 + filled[row], device=device)
            own[:1] = segment.start + segment.length - 1
            before.append(own)
    states = model.model(
        input_ids=torch.cat(ids)[None],
        attention_mask={"full_attention": None},  # `attention` needs none
        position_ids=torch.cat(places, 1)[:, None],
        pixel_values=rows.prompts.get("pixel_values"),
        image_grid_thw=rows.prompts.get("image_grid_thw"),
        use_cache=False,
        **{LAYOUT: layout},
    ).last_hidden_state[0]
    order = torch.tensor(layout.order, device=device)
    targets = rows.completion_ids[order][mask[order]]
    states = states.index_select(0, torch.cat(before))
    values = _score(model.get_output_embeddings(), states, targets, rows.temperature, rows.ways.logit_tokens)
    home = torch.arange(mask.numel(), device=device).view(mask.shape)[order][mask[order]]
    log_probs, entropy = (value.new_zeros(mask.numel()).scatter(0, home, value).view(mask.shape) for value in values)
    return log_probs * rows.completion_mask, entropy * rows.completion_mask


def _positions(model: Any, prompts: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """M-RoPE positions of the prompts, [3, n, P], and the position of the token after each, [n]."""
    mask = prompts["attention_mask"]
    if "image_grid_thw" in prompts:
        positions, _ = model.model.get_rope_index(
            input_ids=prompts["input_ids"],
            mm_token_type_ids=prompts["mm_token_type_ids"],
            image_grid_thw=prompts["image_grid_thw"],
            attention_mask=mask,
        )
    else:
        positions = (mask.cumsum(-1) - 1).clamp(min=0).expand(3, -1, -1)
    return positions, positions.masked_fill(mask == 0, 0).amax(dim=(0, 2)) + 1


def _score(
    head: torch.nn.Module, states: torch.Tensor, targets: torch.Tensor, temperature: float, chunk: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each target and entropy of its distribution, [N]; logits are made again for the gradient."""

    def score(part: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = head(part).float() / temperature
        normalised = logits.log_softmax(-1)
        entropy = -(normalised.detach().exp() * normalised.detach()).sum(-1)
        return normalised.gather(-1, wanted[:, None])[:, 0], entropy

    size = chunk or len(targets)
    parts = [
        checkpoint(score, part, wanted, use_reentrant=False)
        for part, wanted in zip(states.split(size), targets.split(size), strict=True)
    ]
    log_probs, entropy = zip(*parts, strict=True)
    return torch.cat(log_probs), torch.cat(entropy)
