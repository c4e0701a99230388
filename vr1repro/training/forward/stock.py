"""TRL's own forward: every completion with its own prompt, padded to the longest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vr1repro.training.forward.base import Host, LogProbs, Rows


@dataclass(frozen=True)
class StockForward:
    """Leaves every pass to TRL."""

    def prepare(self, model: Any) -> None:
        """TRL has prepared it."""

    def cost(self, prompts: Sequence[int], owners: Sequence[int], completions: Sequence[int]) -> int:
        """Every row is padded to the longest prompt and the longest completion."""
        return len(prompts) * (max(prompts) + max(completions)) if prompts else 0

    def log_probs(self, host: Host, model: Any, rows: Rows, *, entropy: bool, aux_loss: bool) -> LogProbs:
        """TRL's log-probabilities, to the last bit."""
        return host.stock_log_probs(model, rows, entropy=entropy, aux_loss=aux_loss)
