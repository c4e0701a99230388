"""Attention of a packed row from flash parts, against `packing.attention`, in fp32 on the CPU's kernel."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch.utils.checkpoint import checkpoint

from vr1repro.core.errors import UserError
from vr1repro.training.forward import flash
from vr1repro.training.forward.packing import LAYOUT, Layout, attention, lay_out

pytestmark = pytest.mark.slow

Attention = Callable[..., tuple[torch.Tensor, None]]


def states(layout: Layout, heads: int, key_heads: int, width: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        (2 * torch.randn(1, n, layout.tokens, width, generator=generator)).requires_grad_()
        for n in (heads, key_heads, key_heads)
    ]


def output_and_gradients(
    compute: Attention, layout: Layout, inputs: list[torch.Tensor], *, scale: float | None, recompute: bool = False
) -> list[torch.Tensor]:
    module: Any = torch.nn.Module()
    module.num_key_value_groups = inputs[0].shape[1] // inputs[1].shape[1]
    for tensor in inputs:
        tensor.grad = None

    def run(*qkv: torch.Tensor) -> torch.Tensor:
        return compute(module, *qkv, None, scaling=scale, **{LAYOUT: layout})[0]

    out = checkpoint(run, *inputs, use_reentrant=False) if recompute else run(*inputs)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (out * weights).sum().backward()
    return [out.detach(), *[tensor.grad.clone() for tensor in inputs if tensor.grad is not None]]


def assert_equal(theirs: list[torch.Tensor], mine: list[torch.Tensor], tolerance: float = 2e-6) -> None:
    assert len(theirs) == len(mine) == 4
    for expected, tensor in zip(theirs, mine, strict=True):
        assert tensor.shape == expected.shape
        assert (tensor - expected).norm() <= tolerance * expected.norm()


@examples(max_examples=40)
@given(
    prompts=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    completions=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 90)), max_size=12),
    heads=st.sampled_from([(4, 4), (4, 2), (7, 1), (6, 2)]),
    width=st.sampled_from([8, 16, 20]),
    scale=st.sampled_from([None, 0.3]),
    recompute=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_outputs_and_gradients_are_those_of_packed_attention(
    prompts: list[int], completions: list[tuple[int, int]], heads: tuple[int, int], width: int, scale: float | None,
    recompute: bool, seed: int,
) -> None:  # fmt: skip
    layout = lay_out(prompts, [owner % len(prompts) for owner, _ in completions], [n for _, n in completions])
    inputs = states(layout, *heads, width, seed)
    theirs = output_and_gradients(attention, layout, inputs, scale=scale)
    mine = output_and_gradients(flash.flash_attention, layout, inputs, scale=scale, recompute=recompute)
    assert_equal(theirs, mine)


@pytest.mark.parametrize(
    "lengths",
    [[512] * 4, [700, 3, 3, 3], [1, 1], [257, 130, 129, 128, 127, 64, 1]],
    ids=["equal", "one long", "one token each", "around the kernel's blocks"],
)
def test_blocks_and_long_rows(lengths: list[int]) -> None:
    layout = lay_out([300, 1, 40], [0] * len(lengths) + [1, 1, 2], [*lengths, 5, 80, 600])
    inputs = states(layout, 4, 2, 32, 0)
    theirs = output_and_gradients(attention, layout, inputs, scale=32**-0.5)
    assert_equal(theirs, output_and_gradients(flash.flash_attention, layout, inputs, scale=32**-0.5))


def test_scores_that_overflow_exp_are_merged() -> None:
    layout = lay_out([9], [0, 0], [7, 5])
    inputs = states(layout, 2, 2, 8, 0)
    with torch.no_grad():
        inputs[1][:, :, :9] *= 100  # the prompt's scores outweigh the completions' by hundreds
    theirs = output_and_gradients(attention, layout, inputs, scale=1.0)
    mine = output_and_gradients(flash.flash_attention, layout, inputs, scale=1.0)
    assert all(tensor.isfinite().all() for tensor in mine)
    assert_equal(theirs, mine, 1e-5)


def test_a_part_alone_given_its_own_sums_is_another_gradient() -> None:
    """What makes the test above able to fail: the backward needs the merged out and log-sum-exp."""

    class Unmerged(flash.CpuKernel):
        def backward(self, grad: torch.Tensor, saved: Any, part: flash.Part, scale: float | None) -> flash.Gradients:
            query, key, value, *_ = saved
            own = self.forward(query, key, value, part, scale)
            return super().backward(grad, (query, key, value, *own), part, scale)

    layout = lay_out([9], [0, 0], [7, 5])
    inputs = states(layout, 2, 2, 8, 0)
    right, wrong = (
        torch.autograd.grad(
            flash.SharedPrefixAttention.apply(
                *(x[0].transpose(0, 1) for x in inputs), flash.parts_of(layout), kernel, None
            ).square().sum(),
            inputs,
        )
        for kernel in (flash.CpuKernel(), Unmerged())
    )  # fmt: skip
    assert (right[1] - wrong[1]).norm() > 0.1 * right[1].norm()


def test_parts_hold_every_token_once_and_no_key_twice() -> None:
    layout = lay_out([5, 4, 3], [0, 0, 0, 2], [2, 6, 3, 7])
    own, *shared = flash.parts_of(layout)
    assert own.causal
    assert own.query_lengths == own.key_lengths == (5, 6, 3, 2, 4, 10)  # the last is prompt and completion at once
    assert own.queries == slice(0, layout.tokens)
    (part,) = shared
    assert (part.queries, part.keys, part.causal) == (slice(5, 16), slice(0, 5), False)
    ends = own.ends(torch.device("cpu"))
    assert ends[0].dtype == torch.int32
    assert ends[0].tolist() == ends[1].tolist() == [0, 5, 11, 14, 16, 20, 30]


def test_autocast_gives_the_kernel_its_format() -> None:
    layout = lay_out([9], [0, 0], [7, 5])
    inputs = states(layout, 2, 2, 8, 0)
    with torch.autocast("cpu", torch.bfloat16):
        query, key, value = inputs
        out, _ = flash.flash_attention(torch.nn.Module(), query, key, value, None, **{LAYOUT: layout})
    assert out.dtype == torch.bfloat16
    expected = output_and_gradients(attention, layout, inputs, scale=None)[0]
    assert (out.float() - expected).norm() <= 0.02 * expected.norm()


class Operators:
    """CUDA's two operators by their contract (torch/nn/attention/varlen.py): cumulative lengths, lse [heads, n]."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, bool]] = []

    def _part(self, ends: tuple[torch.Tensor, torch.Tensor], longest: tuple[int, int], causal: bool) -> flash.Part:
        lengths = [tuple(end.diff().tolist()) for end in ends]
        assert longest == (max(lengths[0]), max(lengths[1]))
        assert all(end.dtype == torch.int32 for end in ends)
        return flash.Part(queries=slice(0), keys=slice(0), query_lengths=lengths[0], key_lengths=lengths[1],
                          causal=causal)  # fmt: skip

    def _flash_attention_forward(
        self, query: Any, key: Any, value: Any, q_ends: Any, k_ends: Any, max_q: int, max_k: int, dropout: float,
        causal: bool, *, return_debug_mask: bool, scale: float | None,
    ) -> Any:  # fmt: skip
        assert not dropout
        assert not return_debug_mask
        assert (q_ends[-1], k_ends[-1]) == (len(query), len(key))
        self.calls.append((len(q_ends) - 1, causal))
        out, lse = flash.CpuKernel().forward(
            query, key, value, self._part((q_ends, k_ends), (max_q, max_k), causal), scale
        )
        return out, lse, torch.zeros(2), torch.zeros(0), torch.zeros(0)

    def _flash_attention_backward(
        self, grad: Any, query: Any, key: Any, value: Any, out: Any, lse: Any, q_ends: Any, k_ends: Any, max_q: int,
        max_k: int, dropout: float, causal: bool, rng_state: Any, unused: Any, *, scale: float | None,
    ) -> Any:  # fmt: skip
        assert lse.is_contiguous()
        assert lse.shape == (query.shape[1], len(query))
        assert rng_state.dtype == torch.uint64
        part = self._part((q_ends, k_ends), (max_q, max_k), causal)
        return flash.CpuKernel().backward(grad, (query, key, value, out, lse), part, scale)


def test_the_cuda_kernel_calls_its_operators_by_their_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its arguments are proven so, its arithmetic is not: no GPU has run it."""
    operators = Operators()
    layout = lay_out([37, 9, 12], [0, 1, 0, 1, 1, 2], [20, 33, 5, 64, 1, 17])
    inputs = states(layout, 4, 2, 16, 0)
    theirs = output_and_gradients(attention, layout, inputs, scale=0.25)
    monkeypatch.setattr(flash, "kernel_for", lambda _: flash.CudaKernel())
    for name, arguments in (("_flash_attention_forward", 10), ("_flash_attention_backward", 14)):
        schema = getattr(torch.ops.aten, name).default._schema
        assert len([argument for argument in schema.arguments if not argument.kwarg_only]) == arguments
        monkeypatch.setattr(torch.ops.aten, name, getattr(operators, name))
    mine = output_and_gradients(flash.flash_attention, layout, inputs, scale=0.25)
    monkeypatch.undo()
    assert_equal(theirs, mine)
    assert operators.calls == [(8, True), (1, False), (1, False)]  # all pieces at once, then each shared prompt


def test_cuda_is_refused_without_a_record_of_this_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cuda, record = torch.device("cuda"), tmp_path / "flash-attention.json"
    monkeypatch.setattr(flash, "RECORD", record)

    def refusal() -> str:
        flash._check_record.cache_clear()
        with pytest.raises(UserError) as error:
            flash.kernel_for(cuda)
        return str(error.value)

    assert "nobody has run its CUDA kernel yet" in refusal()
    record.write_text(json.dumps({"torch": "1.0", "passed": True}))
    assert "is of torch 1.0" in refusal()
    record.write_text(json.dumps({"torch": torch.__version__, "passed": False}))
    assert "failed" in refusal()
    record.write_text(json.dumps({"torch": torch.__version__, "passed": True}))
    flash._check_record.cache_clear()
    assert isinstance(flash.kernel_for(cuda), flash.CudaKernel)
    flash._check_record.cache_clear()
    with pytest.raises(UserError, match="no kernel for mps"):
        flash.kernel_for(torch.device("mps"))


def test_a_stage_learns_the_same_with_either_kernel(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real stage of two updates under gradient checkpointing, whose rewards spread."""
    import run_stage
    from safetensors.torch import load_file
    from trl import GRPOTrainer

    from vr1repro.answers.reward import HardFormatReward
    from vr1repro.config.arms import Stage
    from vr1repro.training import grpo

    # As they were, after `run_stage` has replaced them.
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", GRPOTrainer._generate_single_turn)
    monkeypatch.setattr(HardFormatReward, "score", HardFormatReward.score)
    run_stage.replay_rollouts()
    rl = lab.config.rl
    launch = rl.launch.model_copy(update={"gradient_checkpointing": True})
    changed = rl.model_copy(update={"launch": launch, "tokens_per_forward": 200})
    used = []
    original = flash.SharedPrefixAttention.forward

    def spy(*args: Any) -> torch.Tensor:
        used.append(len(args[4]))
        return original(*args)

    monkeypatch.setattr(flash.SharedPrefixAttention, "forward", spy)
    steps, weights = [], []
    for kernel in ("sdpa", "flash"):
        job = grpo.StageJob(
            arm="a", number=1, stage=Stage(max_tokens=8, group=4, steps=2), first_step=0, kept_steps=[2],
            skip_prompts=0, system_prompt=None, seed=1,
        )  # fmt: skip
        out = tmp_path / kernel
        assert not used
        settings = changed.model_copy(update={"packed_attention": kernel})
        grpo.train(job, settings, lab.config.rewards["hard"], lab.model, lab.model, lab.problems, 1, out)
        steps.append([json.loads(line) for line in (out / "steps.jsonl").read_text().splitlines()])
        weights.append(load_file(out / "step2" / "model.safetensors"))
    assert max(used) > 1  # prompts were shared
    for theirs, mine in zip(*steps, strict=True):
        assert theirs["grad_norm"] > 0
        for name in ("loss", "grad_norm", "entropy", "kl"):
            assert mine[name] == pytest.approx(theirs[name], rel=1e-4, abs=1e-7), name
        assert mine["outcomes"] == theirs["outcomes"]
    start = load_file(lab.model / "model.safetensors")
    moved = torch.cat([(weights[0][name] - start[name]).flatten() for name in start])
    apart = torch.cat([(weights[0][name] - weights[1][name]).flatten() for name in start])
    assert moved.norm() > 0
    assert apart.norm() <= 0.01 * moved.norm()
