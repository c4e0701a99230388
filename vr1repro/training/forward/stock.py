"""TRL's own forward: every completion with its own prompt, padded to the longest."""

from dataclasses import dataclass
from typing import Any

from vr1repro.training.forward.base import Host, LogProbs, Rows


@dataclass(frozen=True)
class StockForward:
    """Leaves every pass to TRL."""

    def prepare(self, model: Any) -> None:
        """TRL has prepared it."""

    def log_probs(
        self, host: Host, model: Any, rows: Rows, *, batch_size: int | None, entropy: bool, aux_loss: bool
    ) -> LogProbs:
        """TRL's log-probabilities, to the last bit."""
        return host.stock_log_probs(model, rows, batch_size=batch_size, entropy=entropy, aux_loss=aux_loss)
