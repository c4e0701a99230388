"""What every forward strategy takes and gives.

A strategy sees all rows of a pass at once and decides itself how it splits them, what it gathers and in which number
format, so a forward for sharded weights or within a budget of tokens is a new strategy and no new trainer.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch

# Log-probabilities [B, R], entropies [B, R] or None, auxiliary loss of a mixture of experts or None.
LogProbs = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]
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


class Host(Protocol):
    """What a strategy may use of its trainer."""

    accelerator: Any
    temperature: float

    def stock_log_probs(
        self, model: Any, rows: Rows, *, batch_size: int | None, entropy: bool, aux_loss: bool
    ) -> LogProbs:
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

    def log_probs(
        self, host: Host, model: Any, rows: Rows, *, batch_size: int | None, entropy: bool, aux_loss: bool
    ) -> LogProbs:
        """Log-probabilities of the completions' tokens.

        Args:
            host: The trainer.
            model: The policy or the reference, in its wrapper (DDP, DeepSpeed, FSDP).
            rows: All rows of the pass; gradients are wanted where torch's are enabled.
            batch_size: Rows that TRL would forward at once.
            entropy: Whether entropies are wanted.
            aux_loss: Whether the auxiliary loss of a mixture of experts is wanted.
        """
        ...
