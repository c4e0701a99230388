"""A small finished run with a chain of artefacts: base model, cold-start set, SFT, an RL stage and its responses."""

import json
from pathlib import Path
from typing import Any

import yaml

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import read_questions
from vr1repro.coldset.yields import Yield
from vr1repro.config.coldset import ColdsetSettings
from vr1repro.config.plan import Plan
from vr1repro.core.jsonl import write_rows
from vr1repro.core.provenance import write_manifest
from vr1repro.core.records import STEPS_VERSION, Response
from vr1repro.evaluation.ledger import counts
from vr1repro.jobs import grade, problems
from vr1repro.jobs.common import open_run, write_summary

BENCHMARK, QUESTIONS = "mathvista", 30
RUN = Path("results/tiny")
CONFIG = RUN / "config.yaml"
COLDSET = RUN / "coldset"
SFT = RUN / "train/ci/s1/sft/final"
STEP = RUN / "train/vision-r1/s1/stage2/step4"
SLUG = "vision-r1_s1"
BASE = {"kind": "hub", "id": "Qwen/Qwen2.5-VL-7B-Instruct", "revision": None, "context": 128000}
BASE_COMMIT = "c" * 40
# What somebody may have written into a source's name or a config.
HOSTILE = "a|b <script>alert(1)</script>\n# heading ![x](http://x.invalid/p.png)"


def write_run(repo: Path) -> None:
    """Write the run below the working directory."""
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    values |= {"run": RUN.name, "run_arms": ["vision-r1"]}
    values["benchmarks"] = {BENCHMARK: {"kind": "lab", "n": QUESTIONS}}
    values["evaluation"]["benchmarks"] = [BENCHMARK]
    for key in ("graders", "lengths", "selection"):
        values.pop(key, None)
    for arm in values["arms"].values():
        for key in ("evaluate_on", "further_protocols", "select"):
            arm.pop(key, None)
    CONFIG.parent.mkdir(parents=True)
    CONFIG.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    config, plan = open_run(CONFIG)
    problems.run(config=CONFIG, out=Path(plan.problems(BENCHMARK)), name=BENCHMARK)
    base = _model(RUN / "models/base", BASE, {}, {"commit": BASE_COMMIT})
    source = {"kind": "hub", "id": "Osilly/Vision-R1-rl", "revision": None}
    sha = _closed(RUN / "problems/rl", "problems", {"source": source, "seed": 1}, {}, {"commit": "d" * 40})
    coldset = write_coldset(COLDSET, config.coldset, {"base": base, "cold": "e" * 64})
    sft = _model(SFT, config.sft.model_dump(mode="json") | {"seed": 1}, {"coldset": coldset, "model": base})
    settings = {
        "rl": config.rl.model_dump(mode="json"),
        "reward": config.rewards["hard"].model_dump(mode="json"),
        "stage": {"group": 2, "max_tokens": 12, "note": HOSTILE},
        "seed": 1,
    }
    step = _model(STEP, settings, {"model": sft, "reference": sft, "problems": sha})
    steps = [{"schema_version": STEPS_VERSION, "arm": "vision-r1", "stage": 2, "step": step} for step in (3, 4)]
    write_rows(STEP.parent / "steps.jsonl", steps)
    _closed(STEP.parent, "rl-stage", {"seed": 1}, {}, {"steps": 2})
    _answer(plan, step)
    grade.run(config=CONFIG, out=RUN / "eval" / SLUG / BENCHMARK, checkpoint=SLUG, benchmark=BENCHMARK)


def write_coldset(folder: Path, settings: ColdsetSettings, inputs: dict[str, str], kept: int = 27) -> str:
    """Write a cold-start set whose source has a hostile name."""
    report = Yield().report() | {"problems": 64, "kept": kept, "mean_words": 12.5}
    report["sources"] = {HOSTILE: {"problems": 64, "kept": kept, "rejected": {}}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "yield.json").write_text(json.dumps(report), encoding="utf-8")
    (folder / "README.md").write_text("the job's card\n", encoding="utf-8")
    values = settings.model_dump(mode="json", exclude={"shards"})
    return _closed(folder, "coldset", values, inputs, {"problems": 64, "kept": kept})


def _model(folder: Path, settings: dict[str, Any], inputs: dict[str, str], facts: dict[str, Any] | None = None) -> str:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"vision_config": {}}), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(folder.as_posix().encode())
    return _closed(folder, "model", settings, inputs, facts)


def _closed(
    folder: Path, kind: str, settings: dict[str, Any], inputs: dict[str, str], facts: dict[str, Any] | None = None
) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(write_manifest(folder, kind, settings, inputs, facts)["content_sha"])


def _answer(plan: Plan, weights: str) -> None:
    """Two of three answers are right, under two evaluation seeds."""
    questions = read_questions(lookup.facts(BENCHMARK), Path(plan.problems(BENCHMARK)))
    files, figures = {}, {}
    for seed in (1, 2):
        folder = Path(plan.eval_dir(SLUG, BENCHMARK, "single", seed))
        rows = [
            Response(
                run=RUN.name, model=SLUG, arm="vision-r1", train_seed=1, eval_seed=seed, protocol="single",
                benchmark=BENCHMARK, id=key, prompt_sha="0" * 64, model_sha=weights, finish_reason="stop", n_tokens=9,
                response=f"<think> 1 </think><answer> Final Answer:{row['answer'] if k % 3 else 'none'} </answer>",
            )
            for k, (key, row) in enumerate(questions.items())
        ]  # fmt: skip
        write_rows(folder / "responses.jsonl", rows)
        content = {
            "seed": seed, "benchmark": BENCHMARK, "protocol": "single", "model": SLUG, "model_sha": weights,
            "counts": counts(rows),
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps({"content": content, "made": {}}), encoding="utf-8")
        name = f"{BENCHMARK}/single/e{seed}"
        files[name], figures[name] = folder / "responses.jsonl", counts(rows)
    write_summary(Path(plan.root) / "eval" / SLUG / "responses.json", files, figures)
