"""One SFT step and one GRPO step of a random Qwen2.5-VL: seconds, tokens a second, peak memory, MFU.

Needs torch and transformers only, no TRL, so that it runs on a bare GPU machine. A GRPO step here is what follows a
rollout: the reference's log-probabilities without gradients, then forward, backward and the optimizer, in
micro-batches of completions of one group; `rows` forwards every completion with its own prompt, `packed` is
`rl.share_prefix` and `rl.pack`. Model FLOPs are 6 (2 without gradients) times parameters times tokens, prompt tokens
counted once a completion in both ways, so that `packed` gets no credit for what it leaves out; recomputed activations
do not count.

`--stage` runs one real GRPO step and one evaluation instead (`gpu_stage`), with vLLM where it can be imported.

    python bench/gpu_step.py --size 7b --out results/reference/gpu/step-7b.json
    python bench/gpu_step.py --size tiny --prompt 128 --response 32 --group 4    # on a CPU
    python bench/gpu_step.py --size 3b --stage --prompts 32 --response 1024 --record
    python bench/gpu_step.py --size tiny --stage --prompts 2 --response 8 --group 4 --questions 4    # on a CPU
"""

import argparse
import json
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gpu_stage
import shapes
import torch

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import made
from vr1repro.scale.gpus import peak_flops
from vr1repro.training.forward import PackedForward, Rows

RECORDS = Path(__file__).parents[1] / "results" / "reference" / "gpu"
# No trainer here: full precision is the model's own, without autocast.
HOST: Any = SimpleNamespace(accelerator=SimpleNamespace(autocast=nullcontext), temperature=1.0)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=shapes.SIZES, default="7b")
    parser.add_argument("--prompt", type=int, default=1000, help="prompt tokens, a picture's 64 among them")
    parser.add_argument("--response", type=int, nargs="+", default=[1000])
    parser.add_argument("--group", type=int, nargs="+", default=[16])
    parser.add_argument("--micro-batch", type=int, default=4, help="completions a forward")
    parser.add_argument("--rounds", type=int, default=2, help="measured after one round that is not")
    parser.add_argument("--out", type=Path, default=None, help="write the figures there, as JSON")
    real = parser.add_argument_group("--stage", "the first of --response and --group, and --rounds, count here, too")
    real.add_argument("--stage", action="store_true", help="one real GRPO step and one evaluation")
    real.add_argument("--config", type=Path, default=None, help="the preset; default: the paper's of this size")
    real.add_argument("--prompts", type=int, default=32, help="prompts a step")
    real.add_argument("--questions", type=int, default=64, help="of the evaluation")
    real.add_argument("--sampler", choices=("auto", "vllm", "transformers"), default="auto")
    real.add_argument("--record", action="store_true", help="keep the figures in results/reference/gpu; on a GPU only")
    options = parser.parse_args()
    if options.record and not (options.stage and torch.cuda.is_available()):
        parser.error("--record: it keeps what --stage measured on a GPU, and here is none, or no --stage")
    return options


def to(batch: dict[str, Any], device: str, dtype: torch.dtype) -> dict[str, Any]:
    """A batch on a device, pictures in the model's number format."""
    moved = {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}
    return {**moved, "pixel_values": moved["pixel_values"].to(dtype)}


def log_probs(model: Any, batch: dict[str, Any], p: int, way: str) -> torch.Tensor:
    """Log-probabilities of the completions' tokens, [G, R]."""
    ids, mask = batch["input_ids"], batch["attention_mask"]
    if way == "packed":
        rows = Rows(input_ids=ids, attention_mask=mask, completion_length=ids.shape[1] - p, pictures=batch)
        return PackedForward().log_probs(HOST, model, rows)[0]
    given = {name: batch[name] for name in ("pixel_values", "image_grid_thw", "mm_token_type_ids")}
    states = model.model(input_ids=ids, attention_mask=mask, use_cache=False, **given).last_hidden_state
    parts = []
    for state, row in zip(states[:, p - 1 : -1], ids[:, p:], strict=True):  # logits of one row at a time
        logits = model.get_output_embeddings()(state).float()
        parts.append(logits.log_softmax(-1).gather(-1, row[:, None])[:, 0])
    return torch.stack(parts) * mask[:, p:]


def parts(batch: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """A group in micro-batches."""
    rows, patches = len(batch["input_ids"]), 4 * shapes.PICTURE
    return [
        {
            name: value[at * patches : (at + size) * patches] if name == "pixel_values" else value[at : at + size]
            for name, value in batch.items()
        }
        for at in range(0, rows, size)
    ]


def grpo_step(model: Any, optimizer: Any, batch: dict[str, Any], p: int, micro: int, way: str) -> None:
    """Reference pass, forward and backward of every micro-batch, one update (beta 0.01, epsilon 0.2)."""
    pieces = parts(batch, micro)
    with torch.no_grad():
        references = [log_probs(model, piece, p, way) for piece in pieces]
    for k, (piece, reference) in enumerate(zip(pieces, references, strict=True)):
        policy = log_probs(model, piece, p, way)
        ratio = torch.exp(policy - policy.detach())
        advantage = 1.0 if k % 2 else -1.0
        divergence = torch.exp(reference - policy) - (reference - policy) - 1
        loss = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage) + 0.01 * divergence
        (loss.mean() / len(pieces)).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def sft_step(model: Any, optimizer: Any, batch: dict[str, Any], p: int, micro: int) -> None:
    """Forward and backward of the rows one after another, one update."""
    pieces = parts(batch, micro)
    for piece in pieces:
        (-log_probs(model, piece, p, "rows").mean() / len(pieces)).backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def main() -> None:
    """Measure, print, keep."""
    options = arguments()
    if options.stage:
        measure_stage(options)
    else:
        measure_steps(options)


def write(path: Path, record: dict[str, Any]) -> None:
    """Keep a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(record, indent=2) + "\n")


def measure_stage(options: argparse.Namespace) -> None:
    """One real GRPO step and one evaluation."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    record = gpu_stage.measure(options, peak_flops(name))
    print(json.dumps({name: record[name] for name in record if name not in ("settings", "made")}, indent=2))
    if options.out:
        write(options.out, record)
    if options.record:
        write(RECORDS / f"stage-{options.size}-{record['gpus']}x.json", record)
    if errors := [f"{part}: {record[part]['error']}" for part in ("stage", "evaluation") if "error" in record[part]]:
        raise SystemExit("\n".join(errors))


def measure_steps(options: argparse.Namespace) -> None:
    """Steps without TRL."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    peak = peak_flops(name)
    model = shapes.build(options.size, dtype, device)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    PackedForward().prepare(model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=device == "cuda")
    micro = options.micro_batch
    print(f"{options.size}: {parameters / 1e9:.2f} G parameters, {dtype}, {name}")
    rows = []
    for r in options.response:
        for g in options.group:
            batch = to(shapes.group(options.size, options.prompt, [r] * g), device, dtype)
            tokens = g * (options.prompt + r)
            steps = {
                "sft rows": (6, lambda b: sft_step(model, optimizer, b, options.prompt, 1)),
                "grpo rows": (8, lambda b: grpo_step(model, optimizer, b, options.prompt, micro, "rows")),
                "grpo packed": (8, lambda b: grpo_step(model, optimizer, b, options.prompt, micro, "packed")),
            }
            for step, (flops, run) in steps.items():
                taken = []
                if device == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                try:
                    for _ in range(options.rounds + 1):
                        began = time.perf_counter()
                        run(batch)
                        if device == "cuda":
                            torch.cuda.synchronize()
                        taken.append(time.perf_counter() - began)
                except torch.OutOfMemoryError:
                    optimizer.zero_grad(set_to_none=True)
                    torch.cuda.empty_cache()
                    rows.append({"step": step, "P": options.prompt, "R": r, "G": g, "error": "out of memory"})
                    print(f"  {step:12} R={r} G={g}: out of memory", flush=True)
                    continue
                seconds = min(taken[1:])
                memory = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
                floor = flops * parameters * tokens / peak if peak else None
                rows.append({"step": step, "P": options.prompt, "R": r, "G": g, "seconds": seconds,
                             "tokens_per_second": tokens / seconds, "peak_gib": memory, "floor_s": floor,
                             "mfu": floor / seconds if floor else None})  # fmt: skip
                print(f"  {step:12} R={r} G={g}: {seconds:.2f} s, {tokens / seconds:.0f} tokens/s"
                      + (f", peak {memory:.1f} GiB" if memory else "")
                      + (f", floor {floor:.2f} s, MFU {floor / seconds:.0%}" if floor else ""), flush=True)  # fmt: skip
    if options.out:
        record = {"size": options.size, "parameters": parameters, "device": name, "torch": torch.__version__,
                  "micro_batch": options.micro_batch, "rows": rows, "made": made()}  # fmt: skip
        write(options.out, record)


if __name__ == "__main__":
    main()
