"""Log-probabilities of a batch's completions in one packed forward: no prompt twice, no padding, no full logits.

The completions of a GRPO group differ only after the prompt. Stock TRL forwards prompt and picture once a completion,
pads completions to the longest, and without Triton scores the prompt's positions too. Here the distinct prompts, with
their pictures, and all completions are one row of tokens (`packing`), and only completion tokens are scored, in chunks.
Tests hold log-probabilities and gradients in fp32 to stock TRL's.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any, Literal

import torch
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from trl.trainer.utils import _ChunkedLogProbFunction, maybe_gather_lm_head_ctx

from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require
from vr1repro.training.forward import flash, packing
from vr1repro.training.forward.base import Host, LogProbs, Rows
from vr1repro.training.forward.packing import LAYOUT, lay_out, use_packed_attention
from vr1repro.training.forward.prompts import distinct_prompts

# Columns of logits that exist at once; rows: TRL's kernel has 4096.
_VOCABULARY_TILE = 32768


@dataclass(frozen=True, kw_only=True)
class PackedForward:
    """Forwards distinct prompts and their completions as one row; each part can be switched off alone.

    Attributes:
        share_prefix: Equal prompts with equal pictures stand once.
        pack: Completions stand without their padding.
        kernel: Attention of the row: torch's SDPA under a mask, or flash kernels (`flash`), which need none.
    """

    share_prefix: bool = True
    pack: bool = True
    kernel: Literal["sdpa", "flash"] = "sdpa"

    def prepare(self, model: PreTrainedModel) -> None:
        """Teach a model's forward the keyword `packed`; it then returns log-probabilities and entropies.

        A forward of the model itself, so that wrappers (DDP) see a forward like any other.

        Raises:
            UserError: The model has other positions than Qwen2.5-VL's, or this machine no flash kernel.
        """
        require("transformers")
        if not hasattr(model.model, "get_rope_index"):
            raise UserError(
                f"rl.share_prefix, rl.pack: {type(model).__name__} does not place its tokens as Qwen2.5-VL does; set"
                " both to false"
            )
        if self.kernel == "flash":
            flash.kernel_for(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        use_packed_attention(model, flash.ATTENTION if self.kernel == "flash" else packing.ATTENTION)
        original = model.forward

        # `generate` checks its arguments against the original signature.
        @functools.wraps(type(model).forward)
        def forward(self: PreTrainedModel, *args: Any, packed: PackedBatch | None = None, **kwargs: Any) -> Any:
            return original(*args, **kwargs) if packed is None else _packed_log_probs(self, packed)

        model.forward = MethodType(forward, model)

    def cost(self, prompts: Sequence[int], owners: Sequence[int], completions: Sequence[int]) -> int:
        """Distinct prompts once, completions as long as they are, or padded."""
        seen = dict(zip(owners, prompts, strict=True)) if self.share_prefix else dict(enumerate(prompts))
        tokens = sum(completions) if self.pack else len(completions) * max(completions, default=0)
        return sum(seen.values()) + tokens

    def log_probs(
        self,
        host: Host,
        model: Any,
        rows: Rows,
        *,
        entropy: bool = True,
        aux_loss: bool = False,
    ) -> LogProbs:
        """Log-probabilities of all rows in one forward.

        Raises:
            UserError: The model is a mixture of experts.
        """
        if aux_loss:
            raise UserError("rl.share_prefix, rl.pack: a mixture of experts needs its auxiliary loss; set both false")
        split, pictures = rows.prompt_length, rows.pictures
        prompts = {"input_ids": rows.input_ids[:, :split], "attention_mask": rows.attention_mask[:, :split]}
        if pictures.get("mm_token_type_ids") is not None:
            prompts["mm_token_type_ids"] = pictures["mm_token_type_ids"][:, :split]
        images = [pictures.get(name) for name in ("pixel_values", "image_grid_thw", "num_images")]
        distinct, owners = distinct_prompts(prompts, *images, share=self.share_prefix)
        batch = PackedBatch(
            prompts=distinct,
            owners=owners,
            completion_ids=rows.input_ids[:, split:],
            completion_mask=rows.attention_mask[:, split:],
            temperature=host.temperature,
            forward=self,
        )
        with host.accelerator.autocast():
            log_probs, entropies = model(packed=batch)
        return log_probs, entropies if entropy else None, None


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """Completions and the prompts that they belong to.

    Attributes:
        prompts: Inputs of the n prompts: input_ids and attention_mask [n, P], left-padded, and with pictures
            mm_token_type_ids [n, P], pixel_values and image_grid_thw.
        owners: Prompt of each completion, [B].
        completion_ids: [B, R], right-padded.
        completion_mask: [B, R], 1 on tokens.
        temperature: Divides the logits.
        forward: The strategy's settings.
    """

    prompts: dict[str, torch.Tensor]
    owners: list[int]
    completion_ids: torch.Tensor
    completion_mask: torch.Tensor
    temperature: float
    forward: PackedForward


def _packed_log_probs(model: Any, batch: PackedBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of completion tokens, each [B, R]; zero on padding."""
    mask = batch.completion_mask.bool()
    if not mask.any():  # all were cut and are masked: one token keeps the graph
        mask = torch.zeros_like(mask).index_fill_(1, torch.tensor([0], device=mask.device), True)
    scored = mask.sum(1).tolist()
    lengths = scored if batch.forward.pack else [mask.shape[1]] * len(mask)
    in_prompt = batch.prompts["attention_mask"].bool()
    layout = lay_out(in_prompt.sum(1).tolist(), batch.owners, lengths)
    prompt_positions, offsets = _positions(model, batch.prompts)
    device = mask.device

    ids: list[torch.Tensor] = []
    positions: list[torch.Tensor] = []
    predictors: list[torch.Tensor] = []  # places whose states predict the scored tokens
    completions = iter(zip(layout.order, layout.starts, strict=True))
    for prompt, segment in enumerate(layout.segments):
        ids.append(batch.prompts["input_ids"][prompt][in_prompt[prompt]])
        positions.append(prompt_positions[:, prompt, in_prompt[prompt]])
        for _ in range(sum(map(len, segment.buckets))):
            row, start = next(completions)
            ids.append(batch.completion_ids[row, : lengths[row]])
            positions.append((offsets[prompt] + torch.arange(lengths[row], device=device)).expand(3, -1))
            before = torch.arange(start - 1, start - 1 + scored[row], device=device)
            before[:1] = segment.start + segment.length - 1  # the first token's is the prompt's last
            predictors.append(before)
    states = model.model(
        input_ids=torch.cat(ids)[None],
        attention_mask={"full_attention": None},  # `attention` needs none
        position_ids=torch.cat(positions, 1)[:, None],
        pixel_values=batch.prompts.get("pixel_values"),
        image_grid_thw=batch.prompts.get("image_grid_thw"),
        use_cache=False,
        **{LAYOUT: layout},
    ).last_hidden_state[0]
    order = torch.tensor(layout.order, device=device)
    targets = batch.completion_ids[order][mask[order]]
    states = states.index_select(0, torch.cat(predictors))
    head = model.get_output_embeddings()
    values = _score(head, states, targets, batch.temperature)
    # Back from the layout's order to the batch's.
    places = torch.arange(mask.numel(), device=device).view(mask.shape)[order][mask[order]]
    log_probs, entropies = (
        value.new_zeros(mask.numel()).scatter(0, places, value).view(mask.shape) for value in values
    )  # fmt: skip
    return log_probs * batch.completion_mask, entropies * batch.completion_mask


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
    """Log-probability of each target and entropy of its distribution, [N].

    TRL's kernel never holds all logits, and makes them again for the gradient. The head's weights are gathered once a
    forward, whatever the number of tokens: processes of a sharded model have different numbers of them, and a gather a
    chunk would be a different number of collectives on each.
    """
    weight, bias = head.weight, getattr(head, "bias", None)
    if isinstance(weight, DTensor):  # FSDP2
        weight, bias = weight.full_tensor(), None if bias is None else bias.full_tensor()
    with maybe_gather_lm_head_ctx(weight, bias):
        log_probs, entropy, *_ = _ChunkedLogProbFunction.apply(
            states, weight, bias, targets, temperature, min(len(weight), _VOCABULARY_TILE), None, 1.0, ("entropy",)
        )
    return log_probs, entropy
