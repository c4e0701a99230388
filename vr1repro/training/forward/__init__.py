"""How a trainer computes the log-probabilities of completions: one strategy, given to its constructor."""

from vr1repro.config.training import RlSettings
from vr1repro.training.forward.base import Forward, Host, LogProbs, Rows, take
from vr1repro.training.forward.packed import PackedForward
from vr1repro.training.forward.stock import StockForward

__all__ = ["Forward", "Host", "LogProbs", "PackedForward", "Rows", "StockForward", "forward_of", "take"]


def forward_of(settings: RlSettings) -> Forward:
    """The strategy that a config asks for."""
    if not (settings.share_prefix or settings.pack):
        return StockForward()
    return PackedForward(share_prefix=settings.share_prefix, pack=settings.pack, kernel=settings.packed_attention)
