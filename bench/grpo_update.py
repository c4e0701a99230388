"""Forward and backward of a GRPO update: a group's prompt once (`rl.share_prefix`) against stock TRL, in one process.

Both compute the log-probabilities and entropies of the same completions on the same random Qwen2.5-VL of about 20 M
parameters with a vocabulary of 32 768, and the gradient of a weighted sum. The bound of sharing the prefix alone is
G(P+R) / (P+GR) forward tokens; stock TRL also scores prompt tokens where there is no Triton, so more can be gained.

    python bench/grpo_update.py --out results/reference/bench/grpo-update.json
"""

import argparse
import json
import resource
import statistics
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from vr1repro.provenance import made
from vr1repro.records import write_atomically
from vr1repro.training.shared_prefix import GroupTrainer, add_grouped_forward

IMAGE, START = 7, 8
SHAPES = [(256, 256, 16), (256, 96, 16), (64, 40, 16), (256, 1024, 4)]  # P, R, G


def build() -> Any:
    """A random model, 20 M parameters, and the two forwards on it."""
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(
        text_config={"hidden_size": 320, "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 4,
                     "intermediate_size": 896, "vocab_size": 32768, "tie_word_embeddings": True,
                     "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 8, 8]}},
        vision_config={"depth": 2, "hidden_size": 64, "out_hidden_size": 320, "num_heads": 4, "intermediate_size": 128,
                       "fullatt_block_indexes": [1]},
        image_token_id=IMAGE, video_token_id=9, vision_start_token_id=START, vision_end_token_id=10,
    )  # fmt: skip
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.train()
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    add_grouped_forward(model)
    return model


def batch(p: int, r: int, g: int) -> dict[str, Any]:
    """One group: a prompt of `p` tokens with a picture of 64, and `g` completions of `r` tokens."""
    generator = torch.Generator().manual_seed(1)
    picture = 64
    prompt = torch.randint(11, 32768, (p,), generator=generator)
    prompt[2 : 2 + picture], prompt[1] = IMAGE, START
    completions = torch.randint(11, 32768, (g, r), generator=generator)
    ids = torch.cat([prompt.expand(g, -1), completions], 1)
    patches = torch.randn(4 * picture, 1176, generator=generator)
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "logits_to_keep": r,
        "compute_entropy": True,
        "pixel_values": patches.repeat(g, 1),
        "image_grid_thw": torch.tensor([[1, 16, 16]]).expand(g, -1),
        "num_images": [1] * g,
        "mm_token_type_ids": (ids == IMAGE).int(),
    }


def step(way: Any, surroundings: Any, model: Any, inputs: dict[str, Any]) -> tuple[float, torch.Tensor]:
    """Seconds of a forward and backward, and the log-probabilities."""
    model.zero_grad(set_to_none=True)
    began = time.perf_counter()
    log_probs, _, _ = way._get_per_token_logps_and_entropies(surroundings, model, **inputs)
    (log_probs * torch.linspace(-1, 1, log_probs.shape[0])[:, None]).sum().backward()
    return time.perf_counter() - began, log_probs.detach()


def main() -> None:
    """Measure every shape and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = build()
    surroundings = SimpleNamespace(accelerator=Accelerator(cpu=True), temperature=1.0)
    rows = []
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, {asked.threads} threads")
    print("    P     R   G  stock s shared s  ratio  bound of bound  max diff")
    for p, r, g in SHAPES:
        inputs = batch(p, r, g)
        seconds: dict[Any, list[float]] = {GRPOTrainer: [], GroupTrainer: []}
        found = {}
        for _ in range(asked.rounds):  # alternating, so that a slow minute of the machine meets both
            for way, taken in seconds.items():
                time_taken, found[way] = step(way, surroundings, model, inputs)
                taken.append(time_taken)
        stock, shared = (statistics.median(taken) for taken in seconds.values())
        bound = g * (p + r) / (p + g * r)
        difference = (found[GRPOTrainer] - found[GroupTrainer]).abs().max().item()
        row = {"P": p, "R": r, "G": g, "stock_s": stock, "shared_s": shared, "ratio": stock / shared, "bound": bound,
               "max_log_prob_difference": difference}  # fmt: skip
        rows.append(row)
        print(f"{p:5} {r:5} {g:3} {stock:8.2f} {shared:8.2f} {stock / shared:6.2f} {bound:6.2f} "
              f"{stock / shared / bound:8.0%} {difference:9.1e}", flush=True)  # fmt: skip
    if asked.out:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        record = {"rows": rows, "threads": asked.threads, "rounds": asked.rounds, "peak_mb": peak, "made": made()}
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(asked.out, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
