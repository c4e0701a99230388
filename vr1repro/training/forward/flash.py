"""Attention over a packed row with flash kernels: no mask, no padding, and no key copied once a completion.

A token of a completion sees its prompt and what stands before it in its completion. Both parts are flash attention's
own cases: causal attention of every piece of the row (prompt, completion, completion, ...) to itself, in one call whose
sequences are the pieces; and all completions of a prompt, as one sequence of queries, to that prompt without a mask.
Parts are merged by the log-sum-exp of their scores, as ring attention merges blocks (Liu et al., arXiv 2310.01889):

    lse = log(exp(lse_a) + exp(lse_b)),  out = out_a exp(lse_a - lse) + out_b exp(lse_b - lse)

A flash backward makes a part's probabilities anew, exp(score - lse), and needs the row sums of grad * out. Given the
merged out and lse these are those of the whole attention, so the gradients of queries and keys of the parts add up.

Kernels by device: on a CPU torch's flash kernel, piece by piece, with which tests prove the merge and its gradient; on
CUDA torch's FlashAttention with cumulative lengths, refused until a GPU's record stands in `results/reference/gpu`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vr1repro.core.errors import UserError
from vr1repro.training.forward.packing import LAYOUT, Layout

ATTENTION = "vr1repro_packed_flash"
# Written by bench/flash_attention.py where its comparison passes on a GPU.
RECORD = Path(__file__).parents[3] / "results" / "reference" / "gpu" / "flash-attention.json"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Queries that go to the kernel together, and the keys they see.

    Attributes:
        queries: Their places in the row.
        keys: Places of the keys.
        query_lengths: The queries as sequences one behind another, each of which sees its own keys alone.
        key_lengths: The keys of each sequence.
        causal: Whether a query sees the keys up to its own place only.
    """

    queries: slice
    keys: slice
    query_lengths: tuple[int, ...]
    key_lengths: tuple[int, ...]
    causal: bool
    # By device; all layers of a model use them.
    _ends: dict[torch.device, tuple[torch.Tensor, torch.Tensor]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def sequences(self) -> list[tuple[slice, slice]]:
        """Places of each sequence's queries and keys, counted from the part's first."""
        return list(zip(_slices(self.query_lengths), _slices(self.key_lengths), strict=True))

    def ends(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Cumulative lengths of queries and of keys with a zero in front, int32, each [sequences + 1]."""
        if device not in self._ends:
            queries, keys = (
                torch.tensor([0, *lengths]).cumsum(0).to(device, torch.int32)
                for lengths in (self.query_lengths, self.key_lengths)
            )  # fmt: skip
            self._ends[device] = (queries, keys)
        return self._ends[device]


def _slices(lengths: Sequence[int]) -> list[slice]:
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return [slice(start, end) for start, end in pairwise(ends)]


@lru_cache(maxsize=4)  # all layers ask for the same few
def parts_of(layout: Layout) -> tuple[Part, ...]:
    """The parts of a row's attention; the first has every token once, each other one a prompt's completions."""
    pieces: list[int] = []
    shared = []
    for segment in layout.segments:
        completions = [length for bucket in segment.buckets for length in bucket]
        if len(completions) < 2:  # a prompt and one completion are a row like any other
            pieces.append(segment.end - segment.start)
            continue
        pieces += [segment.length, *completions]
        prompt = slice(segment.start, segment.start + segment.length)
        shared.append(
            Part(
                queries=slice(prompt.stop, segment.end),
                keys=prompt,
                query_lengths=(segment.end - prompt.stop,),
                key_lengths=(segment.length,),
                causal=False,
            )
        )
    row, lengths = slice(0, layout.tokens), tuple(pieces)
    return Part(queries=row, keys=row, query_lengths=lengths, key_lengths=lengths, causal=True), *shared


Gradients = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Kernel(Protocol):
    """Flash attention of one part."""

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: Part, scale: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention of a part.

        Args:
            query: The part's queries, [n, heads, width].
            key: Its keys, [m, key heads, width]; a key head serves heads / key heads neighbouring heads.
            value: As `key`.
            part: Which sequences these are.
            scale: Of the scores; None: 1 / sqrt(width).

        Returns:
            The output, as `query`, and the log-sum-exp of the scores, fp32, [heads, n].
        """
        ...

    def backward(self, grad: torch.Tensor, saved: Sequence[torch.Tensor], part: Part, scale: float | None) -> Gradients:
        """Gradients of a part's queries, keys and values.

        Args:
            grad: Of the merged output, [n, heads, width].
            saved: query, key, value as in `forward`; the merged output, as `query`, and log-sum-exp, [heads, n].
            part: Which sequences these are.
            scale: As in `forward`.
        """
        ...


class CpuKernel:
    """torch's flash attention on a CPU, a sequence at a time, in any floating format."""

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: Part, scale: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Kernel.forward`."""
        key_heads = key.shape[1]
        outputs, sums = [], []
        for queries, keys in part.sequences:
            out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                _by_key_head(query[queries], key_heads),
                *_for_all(query, key[keys], value[keys]),
                0.0,
                part.causal,
                scale=scale,
            )
            outputs.append(_by_token(out))
            sums.append(lse.transpose(0, 1).flatten(0, 1))
        return torch.cat(outputs), torch.cat(sums, 1)

    def backward(self, grad: torch.Tensor, saved: Sequence[torch.Tensor], part: Part, scale: float | None) -> Gradients:
        """See `Kernel.backward`."""
        query, key, value, out, lse = saved
        key_heads = key.shape[1]
        gradients: list[list[torch.Tensor]] = [[], [], []]
        for queries, keys in part.sequences:
            of_query, *of_keys = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                _by_key_head(grad[queries], key_heads),
                _by_key_head(query[queries], key_heads),
                *_for_all(query, key[keys], value[keys]),
                _by_key_head(out[queries], key_heads),
                lse[:, queries].unflatten(0, (key_heads, -1)).transpose(0, 1),
                0.0,
                part.causal,
                scale=scale,
            )
            gradients[0].append(_by_token(of_query))
            for place, gradient in enumerate(of_keys, 1):
                gradients[place].append(gradient.sum(0).transpose(0, 1))
        of_query, of_key, of_value = map(torch.cat, gradients)
        return of_query, of_key, of_value


def _by_key_head(rows: torch.Tensor, key_heads: int) -> torch.Tensor:
    """[n, heads, width] as [heads / key heads, key heads, n, width]: what shares keys is a batch. A view."""
    return rows.unflatten(1, (key_heads, -1)).permute(2, 1, 0, 3)


def _by_token(rows: torch.Tensor) -> torch.Tensor:
    """The way back."""
    return rows.permute(2, 1, 0, 3).flatten(1, 2)


def _for_all(query: torch.Tensor, *keys: torch.Tensor) -> list[torch.Tensor]:
    """Keys [m, key heads, width] as [heads / key heads, key heads, m, width]; a view, nothing is copied."""
    return [key.transpose(0, 1).expand(query.shape[1] // key.shape[1], -1, -1, -1) for key in keys]


class CudaKernel:
    """torch's FlashAttention on CUDA, all sequences of a part in one call, in bf16 or fp16.

    Not run yet on a GPU: tests put a stand-in with the operator's contract in its place.
    """

    def forward(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, part: Part, scale: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Kernel.forward`."""
        out, lse, *_ = torch.ops.aten._flash_attention_forward(
            query,
            key,
            value,
            *part.ends(query.device),
            max(part.query_lengths),
            max(part.key_lengths),
            0.0,
            part.causal,
            return_debug_mask=False,
            scale=scale,
        )
        return out, lse

    def backward(self, grad: torch.Tensor, saved: Sequence[torch.Tensor], part: Part, scale: float | None) -> Gradients:
        """See `Kernel.backward`."""
        query, key, value, out, lse = saved
        of_query, of_key, of_value = torch.ops.aten._flash_attention_backward(
            grad.contiguous(),
            query,
            key,
            value,
            out,
            lse.contiguous(),
            *part.ends(query.device),
            max(part.query_lengths),
            max(part.key_lengths),
            0.0,
            part.causal,
            # The random state of a dropout that is 0, as torch.nn.attention.varlen gives it.
            torch.zeros(2, dtype=torch.uint64, device=query.device),
            torch.empty(0, device=query.device),
            scale=scale,
        )
        return of_query, of_key, of_value


class SharedPrefixAttention(torch.autograd.Function):
    """Attention of a packed row from its parts; see the module's text."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        parts: tuple[Part, ...],
        kernel: Kernel,
        scale: float | None,
    ) -> torch.Tensor:
        """Attention of all tokens.

        Args:
            ctx: Keeps what the backward needs.
            query: [T, heads, width].
            key: [T, key heads, width].
            value: As `key`.
            parts: See `parts_of`; the first one has every token.
            kernel: The device's.
            scale: Of the scores.

        Returns:
            [T, heads, width].
        """
        pieces, *shared = parts
        out, lse = kernel.forward(query, key, value, pieces, scale)
        for part in shared:
            seen, of_prompt = kernel.forward(query[part.queries], key[part.keys], value[part.keys], part, scale)
            before = lse[:, part.queries]
            weight = torch.sigmoid(of_prompt - before).transpose(0, 1)[..., None]  # exp(lse_b - lse)
            out[part.queries] = torch.lerp(out[part.queries].float(), seen.float(), weight.float()).to(out.dtype)
            lse[:, part.queries] = torch.logaddexp(before, of_prompt)
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.parts, ctx.kernel, ctx.scale = parts, kernel, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Gradients of queries, keys and values: sums over the parts."""
        (grad,) = grads
        query, key, value, out, lse = ctx.saved_tensors
        pieces, *shared = ctx.parts
        sums = ctx.kernel.backward(grad, (query, key, value, out, lse), pieces, ctx.scale)
        for part in shared:
            saved = (query[part.queries], key[part.keys], value[part.keys], out[part.queries], lse[:, part.queries])
            more = ctx.kernel.backward(grad[part.queries], saved, part, ctx.scale)
            for total, places, gradient in zip(sums, (part.queries, part.keys, part.keys), more, strict=True):
                total[places] += gradient
        return *sums, None, None, None


def kernel_for(device: torch.device) -> Kernel:
    """The kernel of a device.

    Raises:
        UserError: It has none, or the one for CUDA has no record of this torch.
    """
    if device.type == "cpu":
        return CpuKernel()
    if device.type != "cuda":
        raise UserError(f"flash attention: no kernel for {device.type}; take sdpa")
    _check_record()
    return CudaKernel()


@lru_cache(maxsize=1)
def _check_record() -> None:
    advice = "take sdpa, or run `python bench/flash_attention.py --record` on a GPU of this kind"
    try:
        record = json.loads(RECORD.read_text())
    except OSError:
        raise UserError(
            f"flash attention: nobody has run its CUDA kernel yet (no {RECORD.name} in {RECORD.parent}); {advice}"
        ) from None
    if record["torch"] != torch.__version__ or not record["passed"]:
        raise UserError(
            f"flash attention: {RECORD} is of torch {record['torch']}"
            f" ({'passed' if record['passed'] else 'failed'}), here is {torch.__version__}; {advice}"
        )


def flash_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """As `packing.attention`, with flash kernels.

    Raises:
        UserError: See `kernel_for`; or CUDA's kernel gets fp32.
    """
    layout: Layout | None = kwargs.pop(LAYOUT, None)
    if layout is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    kernel, states = kernel_for(query.device), (query, key, value)
    if torch.is_autocast_enabled(query.device.type):  # which knows SDPA, but no kernel beneath it
        states = tuple(state.to(torch.get_autocast_dtype(query.device.type)) for state in states)
    if query.device.type == "cuda" and states[0].dtype not in (torch.bfloat16, torch.float16):
        raise UserError(f"flash attention: CUDA's kernel has no {states[0].dtype}; take bf16, or sdpa")
    rows = (state[0].transpose(0, 1) for state in states)
    out = SharedPrefixAttention.apply(*rows, parts_of(layout), kernel, kwargs.get("scaling"))
    return out[None], None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, flash_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
