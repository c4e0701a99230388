"""One real GRPO step and one evaluation of a random Qwen2.5-VL, through the stages' own code (`gpu_step.py --stage`).

The stage is `training.grpo.train` with a preset's RL settings, on as many processes as there are GPUs; the problems and
the processor are the lab's, pictures scaled to the preset's least size; the evaluation is `evaluation.run.evaluate` of
the checkpoint that the stage saved. Weights are random, so completions run to their limit and rewards are zero: what is
measured is time and memory. The first step also holds the rehearsal and the comparison with stock TRL; a figure is of
the last one. Both run in processes of their own, so that peaks are theirs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import shapes
import torch

from vr1repro.coldset import prompts
from vr1repro.config.arms import Stage
from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.config.loader import load
from vr1repro.config.problems import ProblemSource
from vr1repro.config.run import Config
from vr1repro.config.training import RlSettings
from vr1repro.core.jsonl import read_lines
from vr1repro.core.problem_files import write_problems
from vr1repro.core.provenance import made, write_manifest
from vr1repro.evaluation.ledger import RESPONSES, RUN
from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, evaluate
from vr1repro.lab.benchmarks import write_benchmark
from vr1repro.lab.model import build_processor
from vr1repro.lab.tokenizer import IMAGE, VIDEO, VISION_END, VISION_START, Prompts
from vr1repro.lab.world import generate
from vr1repro.training.phases import PHASES, PhaseClock

CONFIG = Path(__file__).parents[1] / "config"
PRESETS = {"tiny": "smoke", "20m": "smoke", "3b": "paper-8gpu-3b", "7b": "paper-8gpu-7b"}
REWARD, SLUG = "format-and-result", "mathvista"
# hiyouga/EasyR1@b44b311, assets/baselines.md: Geometry3K on 8 x H100 80 GB, v0.3.2, prompt and completion tokens over a
# whole step. Other pictures, lengths and weights than here.
_EASYR1 = {"framework": "EasyR1 v0.3.2", "devices": "8 x H100 80 GB", "data": "Geometry3K"}
PUBLISHED = [
    {**_EASYR1, "model": "Qwen2.5-VL-7B", "setting": "AMP, micro-batch 4, 8", "tokens_per_second_and_gpu": 2000,
     "step_s": 120, "actor_mfu": 0.232, "peak_gb": 72},
    {**_EASYR1, "model": "Qwen2.5-VL-7B", "setting": "AMP, micro-batch 1, 2", "tokens_per_second_and_gpu": 1600,
     "step_s": 145, "actor_mfu": 0.16, "peak_gb": 68},
    {**_EASYR1, "model": "Qwen2.5-VL-3B", "setting": "AMP", "tokens_per_second_and_gpu": 1800, "actor_mfu": 0.081},
]  # fmt: skip


class PeakClock(PhaseClock):
    """Also counts entries of each phase by step, and keeps its peak memory on this process's device, GiB."""

    def __init__(self) -> None:
        super().__init__()
        self.entries = dict.fromkeys(PHASES, 0)
        self.steps: list[dict[str, int]] = []
        self.allocated = dict.fromkeys(PHASES, 0.0)  # by torch
        self.used = dict.fromkeys(PHASES, 0.0)  # on the device, vLLM's pool included
        self._open: list[str] = []

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """As the clock's; a phase inside another interrupts its peak, too."""
        self._note()
        self._open.append(phase)
        self.entries[phase] += 1
        try:
            with super().timed(phase):
                yield
        finally:
            self._note()
            self._open.pop()

    def _note(self) -> None:
        if not torch.cuda.is_available():
            return
        if self._open:
            phase, (free, total) = self._open[-1], torch.cuda.mem_get_info()
            self.allocated[phase] = max(self.allocated[phase], torch.cuda.max_memory_allocated() / 2**30)
            self.used[phase] = max(self.used[phase], (total - free) / 2**30)
        torch.cuda.reset_peak_memory_stats()

    def take(self) -> dict[str, float]:
        """As the clock's; ends a step."""
        self.steps.append(self.entries)
        self.entries = dict.fromkeys(PHASES, 0)
        return super().take()


def sampler_for(wanted: str, gpus: int) -> str:
    """Who samples: vLLM where there is a GPU and it can be imported, else transformers."""
    if wanted != "auto":
        return wanted
    return "vllm" if gpus and find_spec("vllm") else "transformers"


def rl_settings(config: Config, options: argparse.Namespace, sampler: str, gpus: int) -> RlSettings:
    """A preset's settings on the GPUs there are."""
    values = config.rl.model_dump()
    values["launch"] |= {"nodes": 1, "processes": gpus or 1, "save_every": 0, "trackers": []}
    values |= {"prompts_per_step": options.prompts, "max_clipped_share": 1.0}
    engine = "vllm-colocate" if sampler == "vllm" else "transformers"
    sharded = values["launch"]["fsdp"] or values["launch"]["zero_stage"] == 3
    values["generation"] |= {"engine": engine, "by_groups": engine == "transformers" and not sharded}
    return RlSettings.model_validate(values)


def evaluation_settings(config: Config, options: argparse.Namespace, sampler: str) -> EvaluationSettings:
    """A preset's settings, for one benchmark of the lab."""
    values = config.evaluation.model_dump()
    engine = values["engine"] if values["engine"]["kind"] == sampler else {"kind": sampler}
    if sampler == "transformers":
        engine = {"batch_size": 64, **engine}
    changes = {"benchmarks": [SLUG], "protocols": ["single"], "engine": engine, "max_tokens": options.response[0]}
    return EvaluationSettings.model_validate({**values, **changes})


def write_model(size: str, folder: Path) -> int:
    """Random weights of a size behind the lab's processor, as a finished checkpoint. Returns its parameters."""
    lab = load(CONFIG / "micro.yaml").lab
    assert lab is not None
    processor = build_processor(lab, Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION))
    processor.image_processor.size = {"shortest_edge": 28 * 28, "longest_edge": 16384 * 28 * 28}  # Qwen2.5-VL's own
    tokenizer = processor.tokenizer
    ids = {
        name: int(tokenizer.convert_tokens_to_ids(token))
        for name, token in (("image_token_id", IMAGE), ("video_token_id", VIDEO),
                            ("vision_start_token_id", VISION_START), ("vision_end_token_id", VISION_END))
    }  # fmt: skip
    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    model = shapes.build(size, dtype, "cuda" if on_gpu else "cpu", ids=ids, tokens=len(tokenizer))
    for part in (model.generation_config, model.config.text_config):
        part.bos_token_id, part.eos_token_id = None, tokenizer.eos_token_id
        part.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    write_manifest(folder, "model", {}, {})
    return sum(parameter.numel() for parameter in model.parameters())


def run_worker(work: dict[str, Any], folder: Path, processes: int) -> str | None:
    """Run `main` below in processes of their own. Returns the end of its errors where it failed, else None."""
    path = folder / f"{work['kind']}.json"
    path.write_text(json.dumps(work))
    command = [__file__, str(path)]
    if processes > 1:
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), *command]
    environment = {**os.environ, "PYTHONPATH": str(CONFIG.parent)}
    if work.get("zero_stage"):
        environment["ACCELERATE_USE_DEEPSPEED"] = "true"
    with (folder / f"{work['kind']}.log").open("w+") as log:
        code = subprocess.run([sys.executable, *command], stdout=log, stderr=log, env=environment).returncode
        log.seek(0)
        return log.read()[-2000:] if code else None


def measure(options: argparse.Namespace, peak_flops: float | None) -> dict[str, Any]:
    """Run both and make the record."""
    gpus = torch.cuda.device_count()
    sampler = sampler_for(options.sampler, gpus)
    config = load(options.config or CONFIG / f"{PRESETS[options.size]}.yaml")
    rl = rl_settings(config, options, sampler, gpus)
    stage = Stage(max_tokens=options.response[0], group=options.group[0], steps=options.rounds + 1)
    with tempfile.TemporaryDirectory(prefix="gpu-stage-") as name:
        folder = Path(name)
        lab = load(CONFIG / "micro.yaml").lab
        assert lab is not None
        parameters = write_model(options.size, folder / "model")
        torch.cuda.empty_cache()
        write_problems(folder / "problems.parquet", generate(lab.world, "rl", min(64, options.prompts), 1))
        write_benchmark(lab.world, SLUG, options.questions, 1, folder / SLUG)
        work = {
            "kind": "rl", "folder": name, "rl": rl.model_dump(mode="json"), "stage": stage.model_dump(mode="json"),
            "reward": config.rewards[REWARD].model_dump(mode="json"), "zero_stage": rl.launch.zero_stage,
        }  # fmt: skip
        failed = run_worker(work, folder, rl.launch.processes)
        record: dict[str, Any] = {
            "size": options.size, "parameters": parameters, "weights": "random", "gpus": gpus,
            "device": torch.cuda.get_device_name() if gpus else "CPU", "sampler": sampler,
            "settings": {"rl": work["rl"], "stage": work["stage"]},
            "stage": {"error": failed} if failed else stage_figures(folder, rl, stage, parameters, peak_flops),
        }  # fmt: skip
        work = {
            "kind": "evaluation", "folder": name, "questions": options.questions,
            "model": str(folder / ("model" if failed else f"rl/step{stage.steps}")),
            "evaluation": evaluation_settings(config, options, sampler).model_dump(mode="json"),
        }  # fmt: skip
        failed = run_worker(work, folder, 1)
        record["evaluation"] = {"error": failed} if failed else evaluation_figures(folder, parameters, peak_flops)
    return {**record, "published": PUBLISHED, "made": made()}


def stage_figures(
    folder: Path, rl: RlSettings, stage: Stage, parameters: int, peak_flops: float | None
) -> dict[str, Any]:
    """Figures of every step, and peaks of the whole stage.

    Model FLOPs are 2 a parameter and token, 6 in the update, prompt tokens counted once a completion; recomputed
    activations do not count.
    """
    rows = [row for _, row in read_lines(folder / "rl" / "steps.jsonl")]
    times = [row for _, row in read_lines(folder / "rl" / "timing.jsonl")]
    clocks = [json.loads(path.read_text()) for path in sorted(folder.glob("clock-*.json"))]
    gpus, steps, seen = rl.launch.processes, [], 0.0
    for row, took, entries in zip(rows, times, clocks[0]["steps"], strict=True):
        tokens, seen = row["tokens"] - seen, row["tokens"]
        # Forward passes of the step's tokens, each worth 2 FLOPs a parameter; a backward is two.
        passes = {"generate": 1, "log_probs": entries["log_probs"], "update": 3}
        steps.append(
            {
                "step": row["step"], "tokens": tokens, "mean_completion": row["mean_length"],
                "clipped_share": row["clipped_share"], "seconds": took["seconds"],
                "seconds_by_phase": {phase: took[phase] for phase in PHASES},
                "passes_without_gradients": entries["log_probs"],
                "tokens_per_second_and_gpu": tokens / took["seconds"] / gpus,
                "mfu_by_phase": {
                    phase: 2 * n * parameters * tokens / took[phase] / gpus / peak_flops
                    if peak_flops and took[phase] else None
                    for phase, n in passes.items()
                },
            }
        )  # fmt: skip
    peaks = {
        kind: {phase: max(clock[kind][phase] for clock in clocks) for phase in PHASES} for kind in ("allocated", "used")
    }
    completions = rl.prompts_per_step * stage.group
    return {"completions": completions, "steps": steps, "peak_gib": peaks if torch.cuda.is_available() else None}


def evaluation_figures(folder: Path, parameters: int, peak_flops: float | None) -> dict[str, Any]:
    """Sampled tokens a second, loading apart."""
    (run,) = (folder / "evaluation").rglob(RUN)
    record = json.loads(run.read_text())["made"]
    tokens = [row["n_tokens"] for _, row in read_lines(run.with_name(RESPONSES))]
    seconds = record["generating_s"]
    return {
        "questions": len(tokens), "completion_tokens": sum(tokens), "loading_s": record["loading_s"],
        "generating_s": seconds, "tokens_per_second_and_gpu": sum(tokens) / seconds,
        "mfu": 2 * parameters * sum(tokens) / seconds / peak_flops if peak_flops else None,
    }  # fmt: skip


def train(work: dict[str, Any], folder: Path) -> None:
    """The GRPO stage of one process."""
    from vr1repro.config.reward import RewardSettings
    from vr1repro.engines.slim import import_trl

    import_trl(vllm=work["rl"]["generation"]["engine"] != "transformers")
    from pydantic import TypeAdapter

    from vr1repro.training import grpo

    clock = PeakClock()
    grpo.PhaseClock = lambda: clock  # type: ignore[assignment, misc]
    stage = Stage.model_validate(work["stage"])
    job = grpo.StageJob(
        arm="random", number=1, stage=stage, first_step=0, kept_steps=[stage.steps], skip_prompts=0,
        system_prompt=None, seed=1,
    )  # fmt: skip
    model, threads = folder / "model", os.cpu_count() or 1
    grpo.train(
        job,
        RlSettings.model_validate(work["rl"]),
        TypeAdapter(RewardSettings).validate_python(work["reward"]),
        model,
        model,
        folder / "problems.parquet",
        max(1, threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))),
        folder / "rl",
    )
    figures = {"steps": clock.steps, "allocated": clock.allocated, "used": clock.used}
    (folder / f"clock-{int(os.environ.get('RANK', '0')):04}.json").write_text(json.dumps(figures))


def answer(work: dict[str, Any], folder: Path) -> None:
    """The evaluation."""
    source = ProblemSource(kind="path", path=str(folder / SLUG), adapter=SLUG)
    settings = EvaluationSettings.model_validate(work["evaluation"])
    model = EvaluatedModel(location=work["model"], name="random", run="bench")
    benchmarks = [BenchmarkSpec(SLUG, source)]
    evaluate(model, benchmarks, settings, [1], folder / "evaluation", threads=os.cpu_count() or 1)


def main() -> None:
    """What `run_worker` starts."""
    work = json.loads(Path(sys.argv[1]).read_text())
    {"rl": train, "evaluation": answer}[work["kind"]](work, Path(work["folder"]))


if __name__ == "__main__":
    main()
