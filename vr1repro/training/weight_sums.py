"""Whether a sampling engine in this process holds the policy's weights, tensor by tensor, after a sync.

vLLM keeps in one tensor what transformers keeps in several (queries, keys and values; gate and up), pads vocabularies
with zeros and lays some tensors out anew. A sum and a sum of squares over all elements see none of that.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from vr1repro.core.errors import UserError
from vr1repro.core.upstream import require

_log = logging.getLogger(__name__)
_WRAPPERS = {"model", "language_model"}
_FUSED = {"q_proj": "qkv_proj", "k_proj": "qkv_proj", "v_proj": "qkv_proj",
          "gate_proj": "gate_up_proj", "up_proj": "gate_up_proj"}  # fmt: skip
# Sums run in float64 over equal values in another order.
_ALLOWED = 1e-6


class WeightSums:
    """Sums of tensors by a name that both sides share.

    Args:
        dtype: The engine's number format, to which the policy's weights are rounded before they are summed.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._sums: dict[str, torch.Tensor] = {}
        self._elements: Counter[str] = Counter()

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Count a tensor in."""
        values = tensor.detach().to(self._dtype)
        squares = torch.linalg.vector_norm(values, dtype=torch.float64).square()
        both = torch.stack([values.sum(dtype=torch.float64), squares]).cpu()
        shared = _fused_name(name)
        self._sums[shared] = self._sums.get(shared, torch.zeros_like(both)) + both
        self._elements[shared] += tensor.numel()

    def watch(self, tensors: Iterable[tuple[str, torch.Tensor]]) -> Iterator[tuple[str, torch.Tensor]]:
        """Count in what passes through on its way to the engine."""
        for name, tensor in tensors:
            self.add(name, tensor)
            yield name, tensor

    def check(self, engine: Iterable[tuple[str, torch.Tensor]]) -> int:
        """Compare with the engine's own tensors.

        Returns:
            How many were compared: not those that it names otherwise, or has packed away (vLLM does on a CPU).

        Raises:
            UserError: A tensor of the engine is not the policy's.
        """
        theirs = WeightSums(self._dtype)
        for name, tensor in engine:
            theirs.add(name, tensor)
        kept = sorted(name for name, n in self._elements.items() if theirs._elements[name] >= n)
        for name in kept:
            ours, loaded = self._sums[name], theirs._sums[name]
            size = ours[1].sqrt().clamp(min=1e-6)
            # A sum over n elements of this size grows with the root of n, and so does its rounding.
            sum_allowed = _ALLOWED * size * self._elements[name] ** 0.5
            if abs(ours[0] - loaded[0]) > sum_allowed or abs(ours[1] - loaded[1]) > _ALLOWED * size**2:
                raise UserError(
                    f"sync: {name} in the sampling engine is not the policy's (sum {loaded[0]:.9g}, not {ours[0]:.9g});"
                    " its samples would be another policy's"
                )
        return len(kept)


def sync_and_compare(sync: Callable[[], None], vllm: Any) -> None:
    """Give new weights to a whole engine in this process, and compare what it then holds with what was given.

    Args:
        sync: TRL's `sync_weights`, bound.
        vllm: TRL's `VLLMGeneration` in colocate mode.

    Raises:
        UserError: A tensor of the engine is not the policy's.
    """
    require("trl")
    require("vllm")

    def engine() -> torch.nn.Module:
        model: torch.nn.Module = vllm.llm.llm_engine.model_executor.driver_worker.model_runner.model
        return model

    sums, policy = WeightSums(next(engine().parameters()).dtype), vllm._iter_named_params
    vllm._iter_named_params = lambda: sums.watch(policy())
    try:
        sync()
    finally:
        vllm._iter_named_params = policy
    if not sums.check(engine().named_parameters()):
        _log.warning("vLLM names this model's weights otherwise: they are not compared after a sync")


def shared_name(name: str) -> str:
    """A tensor's name without the modules around the decoder, which libraries and files name differently."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _fused_name(name: str) -> str:
    return ".".join(_FUSED.get(part, part) for part in shared_name(name).split("."))
