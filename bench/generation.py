"""Sampling on a CPU: what each part of our decoding brings over transformers' `generate`, and vLLM beside it.

A finished micro run's checkpoint answers its RL problems, so replies differ in length as a trained model's do. All ways
start from the same random numbers, so transformers' three give the same replies up to rounding.

- generate: transformers' own loop; every row stays until the last one ends.
- modules: rows leave the batch when they end.
- kernels: the same, a step of the decoder made without transformers' modules.
- vllm: vLLM's offline engine, where it is installed. Its start is said apart; a stage of RL would start it once, and
  hand over new weights with each step.

A rollout is the same problems with `--group` completions each: read once a completion, as TRL does, or once a group.

    python bench/generation.py --run results/micro --out results/reference/bench/generation.json
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from transformers import GenerationConfig

from vr1repro.config.samplers import Decoding, TransformersSampler, VllmSampler
from vr1repro.core.files import write_atomically
from vr1repro.core.problem_files import read_problems
from vr1repro.core.provenance import made
from vr1repro.engines.base import Request, Sampling, request_seed
from vr1repro.engines.transformers.engine import TransformersEngine
from vr1repro.engines.transformers.sampling import decode
from vr1repro.problems.prompt import user_turn
from vr1repro.training.rollout import sample_groups

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=384)
Replies = dict[int, str]
Sample = Callable[[list[Request]], Replies]
Ways = dict[str, Callable[[], Sample]]


def requests(run: Path, n: int) -> list[Request]:
    """The first problems of the run's RL set."""
    found = []
    for number, problem in enumerate(islice(read_problems(run / "problems/rl/problems.parquet"), n)):
        images = () if problem.image is None else (problem.image,)
        seed = request_seed(1, "rl", problem.id, 0)
        found.append(Request(key=number, text=user_turn(problem), images=images, seed=seed))
    return found


def transformers_way(model: Path, decoding: Decoding | Literal["generate"], threads: int) -> Sample:
    """Sampling with our engine over transformers."""
    settings = TransformersSampler(kind="transformers", batch_size=128, decoding=decoding)
    engine = TransformersEngine(model, settings, model_sha=None, threads=threads)
    return lambda asked: {reply.key: reply.text for reply in engine.generate(asked, SAMPLING)}


def vllm_way(model: Path) -> Sample:
    """Sampling with vLLM."""
    from vr1repro.engines.vllm import VllmEngine

    settings = VllmSampler(kind="vllm", max_model_len=1024, enforce_eager=True, dtype="float32")
    engine = VllmEngine(model, settings, model_sha=None)
    return lambda asked: {reply.key: reply.text for reply in engine.generate(asked, SAMPLING)}


def rollout_way(model: Path, group: int, threads: int, *, share: bool, kernels: bool) -> Sample:
    """A rollout as TRL asks for it: each prompt `group` times."""
    settings = TransformersSampler(kind="transformers", batch_size=1)
    engine = TransformersEngine(model, settings, model_sha=None, threads=threads)
    tokenizer = engine.tokenizer
    config = GenerationConfig(
        temperature=1.0, top_p=1.0, max_new_tokens=SAMPLING.max_tokens, do_sample=True,
        eos_token_id=sorted(engine.stop_ids), pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    way: Decoding = "kernels" if kernels else "modules"

    def sample(asked: list[Request]) -> Replies:
        replies: Replies = {}
        for start in range(0, len(asked), 4):  # four prompts a step, as config/micro.yaml has
            rows = [request for request in asked[start : start + 4] for _ in range(group)]
            inputs = engine._encode(rows)
            torch.manual_seed(start)
            if share:
                ids = sample_groups(engine.model, generation_config=config, decoding=way, **inputs)
                found = ids[:, inputs["input_ids"].shape[1] :].tolist()
            else:
                numbers = torch.rand(len(rows), SAMPLING.max_tokens, dtype=torch.float64)
                found = decode(engine.model, inputs, numbers, SAMPLING, engine.stop_ids, decoding=way)
            texts = tokenizer.batch_decode(found, skip_special_tokens=True)
            replies.update({start * group + number: text for number, text in enumerate(texts)})
        return replies

    return sample


def measure(ways: Ways, asked: list[Request], rounds: int) -> list[dict[str, Any]]:
    """Median seconds of each way after one round that is not counted, and the share of replies equal to the first's."""
    rows: list[dict[str, Any]] = []
    first: Replies = {}
    for name, start in ways.items():
        began = time.perf_counter()
        sample = start()
        sample(asked[:8])
        starting = time.perf_counter() - began
        seconds, replies = [], {}
        for _ in range(rounds):
            began = time.perf_counter()
            replies = sample(asked)
            seconds.append(time.perf_counter() - began)
        first = first or replies
        rows.append({
            "way": name, "seconds": statistics.median(seconds), "replies": len(replies), "start_s": starting,
            "same_replies": statistics.mean(replies[key] == text for key, text in first.items()),
        })  # fmt: skip
        rows[-1]["speed"] = rows[0]["seconds"] / rows[-1]["seconds"]
    return rows


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a table."""
    table = Table("way", "start, s", "seconds", "times as fast", "same replies", title=title)
    for row in rows:
        table.add_row(row["way"], f"{row['start_s']:.1f}", f"{row['seconds']:.2f}", f"{row['speed']:.2f}",
                      f"{row['same_replies']:.1%}")  # fmt: skip
    Console().print(table)


def main() -> None:
    """Measure, print and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("results/micro"), help="a finished micro run")
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--group", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    model = asked.run / "train/ci/s1/sft/final"
    if not model.is_dir():
        parser.error(f"--run: {model} is missing; run `make micro` first")
    os.environ |= {"OMP_NUM_THREADS": str(asked.threads), "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    threads, group = asked.threads, asked.group
    questions = requests(asked.run, asked.problems)
    answering: Ways = {
        "generate": lambda: transformers_way(model, "generate", threads),
        "modules": lambda: transformers_way(model, "modules", threads),
        "kernels": lambda: transformers_way(model, "kernels", threads),
    }
    if find_spec("vllm"):
        answering["vllm"] = lambda: vllm_way(model)
    rolling: Ways = {
        "prompt a completion, modules": lambda: rollout_way(model, group, threads, share=False, kernels=False),
        "prompt a group, modules": lambda: rollout_way(model, group, threads, share=True, kernels=False),
        "prompt a group, kernels": lambda: rollout_way(model, group, threads, share=True, kernels=True),
    }
    rollout = measure(rolling, questions[: asked.problems // group], asked.rounds)
    show(f"rollouts of 4 prompts x {group}", rollout)
    answers = measure(answering, questions, asked.rounds)
    show(
        f"{len(questions)} problems, batches of 128, at most {SAMPLING.max_tokens} tokens, {threads} thread(s)", answers
    )
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        record = {"answers": answers, "rollouts": rollout, "threads": threads, "rounds": asked.rounds,
                  "group": group, "problems": len(questions), "made": made()}  # fmt: skip
        write_atomically(asked.out, json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
