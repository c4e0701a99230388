"""Attention of a packed row: flash kernels against SDPA under masks, and both against fp32; forward and gradients.

On a GPU the kernels are CUDA's, in bf16; flash passes where it is as near to fp32's result as SDPA is, within a factor
of two. Its record allows `flash` in training with this torch. On a CPU the kernels are torch's CPU ones, in fp32, and
nothing can be recorded.

    python bench/flash_attention.py --record      # writes results/reference/gpu/flash-attention.json
    python bench/flash_attention.py --tokens 64 --rounds 1    # on a CPU
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import shapes
import torch

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import made
from vr1repro.training.forward import flash
from vr1repro.training.forward.packing import LAYOUT, Layout, attention, lay_out

HEADS, KEY_HEADS, WIDTH = 28, 4, 128  # Qwen2.5-VL-7B


def layouts(tokens: int) -> dict[str, Layout]:
    """Rows of prompts and completions; a completion has so many tokens on average."""
    prompt = max(1, tokens // 2)
    return {
        "one group of 16": lay_out([prompt], [0] * 16, shapes.lognormal(tokens, tokens / 2, 16)),
        "four groups of 4": lay_out([prompt, 1, prompt // 3 + 1, prompt], [0, 1, 2, 3] * 4, [tokens] * 16),
        "rows of their own": lay_out([prompt] * 4, [0, 1, 2, 3], shapes.lognormal(tokens, tokens / 2, 4)),
        "one long completion": lay_out([prompt], [0] * 8, [4 * tokens, *[max(1, tokens // 8)] * 7]),
    }


def results(compute: Callable[..., torch.Tensor], inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Output [T, heads, width] and gradients of queries, keys and values [1, heads, T, width]."""
    out = compute(*inputs)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.device, out.dtype)
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), inputs)]


def with_sdpa(layout: Layout) -> Callable[..., torch.Tensor]:
    """As training without flash kernels."""
    module: Any = torch.nn.Module()
    module.num_key_value_groups = HEADS // KEY_HEADS
    return lambda q, k, v: attention(module, q, k, v, None, scaling=WIDTH**-0.5, **{LAYOUT: layout})[0][0]


def with_flash(layout: Layout, kernel: flash.Kernel) -> Callable[..., torch.Tensor]:
    """With a kernel, whether there is a record or not."""

    def compute(*states: torch.Tensor) -> torch.Tensor:
        rows = (state[0].transpose(0, 1) for state in states)
        out: torch.Tensor = flash.SharedPrefixAttention.apply(*rows, flash.parts_of(layout), kernel, WIDTH**-0.5)
        return out

    return compute


def seconds_of(compute: Callable[..., torch.Tensor], inputs: list[torch.Tensor], rounds: int) -> float:
    """Seconds of a forward and backward, the best of some rounds after one that is not counted."""
    taken = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        results(compute, inputs)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


def compare(layout: Layout, rounds: int) -> dict[str, Any]:
    """Errors of output and gradients relative to fp32's norms, and seconds."""
    on_gpu = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
    kernel: flash.Kernel = flash.CudaKernel() if on_gpu else flash.CpuKernel()
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(1, heads, layout.tokens, WIDTH, generator=generator).to(device, dtype).requires_grad_()
        for heads in (HEADS, KEY_HEADS, KEY_HEADS)
    ]
    exact = results(with_sdpa(layout), [tensor.detach().float().requires_grad_() for tensor in inputs])
    errors, seconds = {}, {}
    for name, compute in (("sdpa", with_sdpa(layout)), ("flash", with_flash(layout, kernel))):
        errors[name] = {
            part: float((result.float() - expected).norm() / expected.norm())
            for part, result, expected in zip(
                ("output", "queries", "keys", "values"), results(compute, inputs), exact, strict=True
            )
        }
        seconds[name] = seconds_of(compute, inputs, rounds)
    passed = all(error <= max(2 * errors["sdpa"][part], 1e-6) for part, error in errors["flash"].items())
    return {"tokens": layout.tokens, "errors": errors, "seconds": seconds, "passed": passed}


def main() -> None:
    """Compare, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1024, help="of a completion, on average")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", action="store_true", help=f"write {flash.RECORD.name}; on a GPU only")
    options = parser.parse_args()
    if options.record and not torch.cuda.is_available():
        parser.error("--record: it allows the CUDA kernel, and here is no GPU to run it on")
    rows = {name: compare(layout, options.rounds) for name, layout in layouts(options.tokens).items()}
    record = {
        "passed": all(row["passed"] for row in rows.values()), "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", "rows": rows, "made": made(),
    }  # fmt: skip
    print(json.dumps({name: record[name] for name in ("passed", "torch", "device", "rows")}, indent=2))
    if options.record:
        flash.RECORD.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(flash.RECORD, json.dumps(record, indent=2) + "\n")
    if not record["passed"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
