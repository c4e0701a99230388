"""What every forward strategy takes and gives.

A strategy sees the rows of one piece of a pass (`pieces` cuts passes within a budget of tokens) and decides itself what
it gathers and in which number format, so another forward is a new strategy and no new trainer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from trl.trainer.utils import split_pixel_values_by_grid, unsplit_pixel_values_by_grid

# Log-probabilities [B, R], entropies [B, R] or None, auxiliary loss of a mixture of experts or None.
LogProbs = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]
PER_TOKEN = {"mm_token_type_ids", "token_type_ids"}
_OF_PICTURES = ("pixel_values", "image_grid_thw", "num_images")
_PICTURES = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Prompts, each with one completion behind it.

    Attributes:
        input_ids: [B, P+R]; prompts are padded on the left, completions on the right.
        attention_mask: [B, P+R], 1 on tokens.
        completion_length: R.
        pictures: TRL's further inputs: pixel_values of all patches, image_grid_thw [pictures, 3], num_images of each
            row, mm_token_type_ids [B, P+R], and those of other model families; None or absent without pictures.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    completion_length: int
    pictures: dict[str, Any]

    @classmethod
    def of_rollout(cls, batch: dict[str, Any]) -> "Rows":
        """Rows of the batch that TRL makes of a rollout."""
        return cls(
            input_ids=torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1),
            attention_mask=torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1),
            completion_length=batch["completion_ids"].shape[1],
            pictures={name: batch.get(name) for name in _PICTURES},
        )

    @property
    def prompt_length(self) -> int:
        """P."""
        return int(self.input_ids.shape[1]) - self.completion_length

    def select(self, indices: Sequence[int]) -> "Rows":
        """Some of the rows, in the order given, without the padding that none of them needs."""
        chosen = take({"ids": self.input_ids, "mask": self.attention_mask, **self.pictures}, indices)
        ids, mask = chosen.pop("ids"), chosen.pop("mask")
        used = mask.any(0).nonzero()[:, 0]
        # At least one place of a completion stays, or nothing would be scored.
        first = min(int(used[0]), self.prompt_length - 1) if len(used) else self.prompt_length - 1
        end = max(int(used[-1]) + 1, self.prompt_length + 1) if len(used) else self.prompt_length + 1
        for name in PER_TOKEN & chosen.keys():
            if chosen[name] is not None:
                chosen[name] = chosen[name][:, first:end]
        return Rows(
            input_ids=ids[:, first:end],
            attention_mask=mask[:, first:end],
            completion_length=end - self.prompt_length,
            pictures=chosen,
        )


def take(batch: dict[str, Any], indices: Sequence[int]) -> dict[str, Any]:
    """Some rows of a batch of TRL's, with their pictures, in the order given."""
    by_row = split_pixel_values_by_grid({name: value for name, value in batch.items() if value is not None})
    chosen = {}
    for name, value in by_row.items():
        if isinstance(value, torch.Tensor) and value.dim():
            chosen[name] = value[list(indices)]
        else:
            chosen[name] = [value[row] for row in indices] if isinstance(value, list) else value
    merged: dict[str, Any] = unsplit_pixel_values_by_grid(chosen)
    if not sum(merged.get("num_images") or [1]):  # no row of these has a picture
        merged = {name: value for name, value in merged.items() if name not in _OF_PICTURES}
    return merged


class Host(Protocol):
    """What a strategy may use of its trainer."""

    accelerator: Any
    temperature: float

    def stock_log_probs(self, model: Any, rows: Rows, *, entropy: bool, aux_loss: bool) -> LogProbs:
        """TRL's own computation."""
        ...


class Forward(Protocol):
    """Computes log-probabilities of completions."""

    def prepare(self, model: Any) -> None:
        """Called once for the policy and once for the reference, unwrapped, before the first pass.

        Raises:
            UserError: The strategy does not know this kind of model.
        """
        ...

    def cost(self, prompts: Sequence[int], owners: Sequence[int], completions: Sequence[int]) -> int:
        """Tokens of one forward over rows; memory grows with them.

        Args:
            prompts: Tokens of each row's prompt.
            owners: Which rows have equal prompts.
            completions: Tokens of each row's completion.
        """
        ...

    def log_probs(self, host: Host, model: Any, rows: Rows, *, entropy: bool, aux_loss: bool) -> LogProbs:
        """Log-probabilities of the completions' tokens, in one forward.

        Args:
            host: The trainer.
            model: The policy or the reference, in its wrapper (DDP, DeepSpeed, FSDP).
            rows: The rows of one piece (`pieces`); gradients are wanted where torch's are enabled.
            entropy: Whether entropies are wanted.
            aux_loss: Whether the auxiliary loss of a mixture of experts is wanted.
        """
        ...
