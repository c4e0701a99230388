"""Forward and backward of a GRPO update in our packed forward against stock TRL, each part shown apart, in one process.

All compute the log-probabilities and entropies of the same completions on the same random Qwen2.5-VL of about 20 M
parameters with a vocabulary of 32 768, and the gradient of a weighted sum. The bound of sharing the prefix alone is
G(P+R) / (P+GR) forward tokens; stock TRL also scores prompt tokens where there is no Triton, so more can be gained.
Peak memory is each way's own process's, less what it had before the step.

    python bench/grpo_update.py --out results/reference/bench/grpo-update.json
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import shapes
import torch
from accelerate import Accelerator
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import made
from vr1repro.training.forward import PackedForward, Rows

# P, R, G; R "lognormal": mean 256, standard deviation 128
SHAPES: dict[str, tuple[int, int | str, int]] = {
    "P=256 R=256 G=16": (256, 256, 16),
    "P=256 R~lognormal(256, 128) G=16": (256, "lognormal", 16),
    "P=256 R=1024 G=4": (256, 1024, 4),
    "P=96 R=40 G=16": (96, 40, 16),
}
FORWARDS: dict[str, PackedForward | None] = {
    "stock TRL": None,
    "shared prefix": PackedForward(pack=False),
    "no padding": PackedForward(share_prefix=False),
    "shared prefix, no padding": PackedForward(),
    "all: and logits in chunks": PackedForward(),
}


def build() -> Any:
    """A random model, 20 M parameters, and the two forwards on it."""
    model = shapes.build("20m")
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    PackedForward().prepare(model)
    return model


def lengths_of(r: int | str, g: int) -> list[int]:
    """Lengths of a group's completions."""
    return [r] * g if isinstance(r, int) else shapes.lognormal(256, 128, g)


def rows_of(shape: str) -> Rows:
    """One group of a shape."""
    p, r, g = SHAPES[shape]
    batch = shapes.group("20m", p, lengths_of(r, g))
    ids, mask = batch.pop("input_ids"), batch.pop("attention_mask")
    return Rows(input_ids=ids, attention_mask=mask, completion_length=ids.shape[1] - p, pictures=batch)


def stock_log_probs(host: Any, model: Any, rows: Rows) -> Any:
    """TRL's own."""
    return GRPOTrainer._get_per_token_logps_and_entropies(
        host, model, rows.input_ids, rows.attention_mask, rows.completion_length, compute_entropy=True, **rows.pictures
    )


def stepper(model: Any, rows: Rows) -> Callable[[PackedForward | None], tuple[float, torch.Tensor]]:
    """A function from a forward to its seconds of a forward and backward, and its log-probabilities."""
    host: Any = SimpleNamespace(accelerator=Accelerator(cpu=True), temperature=1.0)
    mask = rows.attention_mask[:, -rows.completion_length :]

    def step(forward: PackedForward | None) -> tuple[float, torch.Tensor]:
        compute = forward.log_probs if forward else stock_log_probs
        model.zero_grad(set_to_none=True)
        began = time.perf_counter()
        log_probs, _, _ = compute(host, model, rows)
        (log_probs * mask * torch.linspace(-1, 1, log_probs.shape[0])[:, None]).sum().backward()
        return time.perf_counter() - began, log_probs.detach() * mask

    return step


def kilobytes(key: str) -> int:
    """A figure of this process from the kernel, in KiB: VmRSS now, VmHWM at its highest."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1])


def peak_mb(shape: str, way: str, threads: int) -> float:
    """Peak memory of one step in a process of its own, MiB above what it had before."""
    command = [sys.executable, __file__, "--memory", shape, way, "--threads", str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure every shape and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", nargs=2, metavar=("SHAPE", "WAY"), help="print one step's peak, and no more")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = build()
    if options.memory:
        shape, way = options.memory
        step = stepper(model, rows_of(shape))
        before = kilobytes("VmRSS:")
        step(FORWARDS[way])
        print((kilobytes("VmHWM:") - before) / 1024)
        return
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, {options.threads} threads")
    rows = []
    for shape, (p, r, g) in SHAPES.items():
        step = stepper(model, rows_of(shape))
        seconds: dict[str, list[float]] = {way: [] for way in FORWARDS}
        log_probs = {}
        for _ in range(options.rounds):  # alternating, so that a slow minute of the machine meets all
            for way, forward in FORWARDS.items():
                taken, log_probs[way] = step(forward)
                seconds[way].append(taken)
        lengths = lengths_of(r, g)
        bound = g * (p + max(lengths)) / (p + sum(lengths))
        print(f"\n{shape}: {sum(lengths) / g:.0f} tokens on average, longest {max(lengths)}; stock forwards {bound:.2f}"
              " times the tokens")  # fmt: skip
        stock, memory = statistics.median(seconds["stock TRL"]), peak_mb(shape, "stock TRL", options.threads)
        for way in FORWARDS:
            median, peak = statistics.median(seconds[way]), peak_mb(shape, way, options.threads)
            difference = (log_probs[way] - log_probs["stock TRL"]).abs().max().item()
            rows.append({"shape": shape, "way": way, "seconds": median, "speed": stock / median, "bound": bound,
                         "peak_mb": peak, "memory": peak / memory, "max_log_prob_difference": difference})  # fmt: skip
            print(f"  {way:27} {median:7.2f} s {stock / median:5.2f} x {peak:8.0f} MiB {peak / memory:5.2f} x"
                  f"   largest difference {difference:.1e}", flush=True)  # fmt: skip
        if options.out:  # after each shape: a whole run takes twenty minutes
            record = {"rows": rows, "threads": options.threads, "rounds": options.rounds, "made": made()}
            options.out.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(options.out, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
