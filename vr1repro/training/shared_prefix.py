"""Log-probabilities of a group's completions with one forward of the group's prompt and picture.

The completions of a GRPO group differ only after the prompt. Stock TRL forwards prompt and picture once a completion,
and without Triton its kernel scores the prompt's positions too. Here the prompt of a group is forwarded once, with
gradients, its keys and values are expanded over the group, and only completion tokens are scored. In exact arithmetic
nothing changes; tests hold log-probabilities and gradients in fp32 to stock TRL's.

With prompts of P tokens, completions of R and groups of G, the forward shrinks from G(P+R) tokens to P+GR.
"""

import functools
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import DynamicCache, PreTrainedModel
from trl import GRPOTrainer

_TOKENS_A_CHUNK = 4096  # logits of at most this many tokens exist at once


@dataclass(frozen=True)
class GroupedRows:
    """Completions behind prompts that each stand once.

    Attributes:
        prompts: Inputs of the n distinct prompts: input_ids and attention_mask [n, P], left-padded, and with pictures
            mm_token_type_ids [n, P], pixel_values and image_grid_thw.
        counts: Completions of each prompt, [n], B in sum.
        completion_ids: [B, R], right-padded.
        completion_mask: [B, R], 1 on tokens.
        temperature: Divides the logits.
    """

    prompts: dict[str, torch.Tensor]
    counts: torch.Tensor
    completion_ids: torch.Tensor
    completion_mask: torch.Tensor
    temperature: float


class GroupTrainer(GRPOTrainer):
    """TRL's trainer, whose forwards over completions share what a group has in common."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for model in (self.model, self.ref_model):
            if model is not None:
                add_grouped_forward(self.accelerator.unwrap_model(model))

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **pictures: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        # `batch_size` would split passes without gradients to save memory, and with them groups: not followed.
        if compute_aux_loss:
            raise ValueError("rl.share_prefix: a mixture of experts needs its auxiliary loss; set it to false")
        split = input_ids.shape[1] - logits_to_keep
        prompts = {"input_ids": input_ids[:, :split], "attention_mask": attention_mask[:, :split]}
        if pictures.get("mm_token_type_ids") is not None:
            prompts["mm_token_type_ids"] = pictures["mm_token_type_ids"][:, :split]
        distinct, counts = distinct_prompts(
            prompts, pictures.get("pixel_values"), pictures.get("image_grid_thw"), pictures.get("num_images")
        )
        rows = GroupedRows(distinct, counts, input_ids[:, split:], attention_mask[:, split:], self.temperature)
        with self.accelerator.autocast():
            log_probs, entropy = model(grouped=rows)
        return log_probs, entropy if compute_entropy else None, None


def distinct_prompts(
    prompts: dict[str, torch.Tensor],
    pixel_values: torch.Tensor | None,
    image_grid_thw: torch.Tensor | None,
    num_images: list[int] | None,
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Keep each run of equal prompts, pictures included, once.

    Args:
        prompts: Tensors with a row a completion, [B, P].
        pixel_values: Patches of all rows' pictures, [patches, values], or None.
        image_grid_thw: Grid of each picture, [pictures, 3].
        num_images: Pictures of each row.

    Returns:
        Inputs of the n distinct prompts, and how many rows each stands for, [n].
    """
    ids = prompts["input_ids"]
    repeats = torch.ones(len(ids) - 1, dtype=torch.bool, device=ids.device)
    for value in prompts.values():
        repeats &= (value[1:] == value[:-1]).all(1)
    patches: tuple[torch.Tensor, ...] = ()
    grids: tuple[torch.Tensor, ...] = ()
    if pixel_values is not None and image_grid_thw is not None and num_images is not None:
        grids = torch.split(image_grid_thw, num_images)
        patches = torch.split(pixel_values, [int(grid.prod(-1).sum()) for grid in grids])
        # Equal words may stand under different pictures.
        alike = [torch.equal(grids[row], grids[row - 1]) and torch.equal(patches[row], patches[row - 1])
                 for row in range(1, len(ids))]  # fmt: skip
        repeats &= torch.tensor(alike, dtype=torch.bool, device=ids.device)
    first = [0, *(torch.nonzero(~repeats).flatten() + 1).tolist()]
    distinct = {name: value[first] for name, value in prompts.items()}
    if patches:
        distinct["pixel_values"] = torch.cat([patches[row] for row in first])
        distinct["image_grid_thw"] = torch.cat([grids[row] for row in first])
    ends = torch.tensor([*first[1:], len(ids)], device=ids.device)
    return distinct, ends - torch.tensor(first, device=ids.device)


def add_grouped_forward(model: PreTrainedModel) -> None:
    """Teach a model's forward the keyword `grouped` (`GroupedRows`); it then returns log-probabilities and entropies.

    A forward of the model itself, so that wrappers (DDP) see a forward like any other.
    """
    original = model.forward

    # `generate` checks its arguments against the original signature.
    @functools.wraps(type(model).forward)
    def forward(self: PreTrainedModel, *args: Any, grouped: GroupedRows | None = None, **kwargs: Any) -> Any:
        return original(*args, **kwargs) if grouped is None else grouped_log_probs(self, grouped)

    model.forward = MethodType(forward, model)


def grouped_log_probs(model: Any, rows: GroupedRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of completion tokens, each [B, R]; zero on padding."""
    prompts, counts = rows.prompts, rows.counts
    positions, offsets = _positions(model, prompts)
    cache = DynamicCache(config=model.config.get_text_config())
    before = model.model(**prompts, position_ids=positions, past_key_values=cache, use_cache=True).last_hidden_state
    # Each layer's keys and values, [n, heads, P, width], stand behind all completions of their prompt.
    cache.batch_repeat_interleave(counts)
    _, tokens = rows.completion_ids.shape
    places = offsets.repeat_interleave(counts)[:, None] + torch.arange(tokens, device=offsets.device)
    seen = torch.cat([prompts["attention_mask"].repeat_interleave(counts, 0), rows.completion_mask], dim=1)
    after = model.model(
        input_ids=rows.completion_ids,
        attention_mask=seen,
        position_ids=places.expand(3, -1, -1),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    # The last prompt token predicts the first of the completion.
    states = torch.cat([before[:, -1:].repeat_interleave(counts, 0), after[:, :-1]], dim=1)
    mask = rows.completion_mask.bool()
    flat = _score(model.get_output_embeddings(), states[mask], rows.completion_ids[mask], rows.temperature)
    log_probs, entropy = (values.new_zeros(mask.shape).masked_scatter(mask, values) for values in flat)
    return log_probs, entropy


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
    head: torch.nn.Module, states: torch.Tensor, targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of each target and entropy of its distribution, [N]; logits are made again for the gradient."""

    def score(part: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = head(part).float() / temperature
        normalised = logits.log_softmax(-1)
        entropy = -(normalised.detach().exp() * normalised.detach()).sum(-1)
        return normalised.gather(-1, wanted[:, None])[:, 0], entropy

    parts = [
        checkpoint(score, part, wanted, use_reentrant=False)
        for part, wanted in zip(states.split(_TOKENS_A_CHUNK), targets.split(_TOKENS_A_CHUNK), strict=True)
    ]
    log_probs, entropy = zip(*parts, strict=True)
    return torch.cat(log_probs), torch.cat(entropy)
