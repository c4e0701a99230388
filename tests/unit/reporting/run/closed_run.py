"""A small finished run: jobs made its questions, verdicts and summaries; answers and logs are written here."""

import json
from pathlib import Path
from typing import Any

import yaml
from synthetic_run import write_lengths, write_log

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import read_questions
from vr1repro.config.plan import Plan
from vr1repro.core.jsonl import write_rows
from vr1repro.core.provenance import write_manifest
from vr1repro.core.records import Response, Trace
from vr1repro.evaluation.ledger import counts
from vr1repro.evaluation.selection import Selection, read_candidate
from vr1repro.jobs import grade, problems
from vr1repro.jobs.common import open_run, write_summary

BENCHMARK, QUESTIONS = "mathvista", 30
RUN = Path("results/tiny")
CONFIG = RUN / "config.yaml"
E1 = RUN / "eval/vision-r1_s1" / BENCHMARK / "single/e1"
STAGE = RUN / "train/vision-r1/s1/stage2"


def write_closed_run(repo: Path) -> None:
    """Write the run of two arms below the working directory."""
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    values |= {"run": RUN.name, "run_arms": ["base", "vision-r1"]}
    values["benchmarks"] = {BENCHMARK: {"kind": "lab", "n": QUESTIONS}}
    del values["arms"]["ci"]["evaluate_on"]
    values["evaluation"]["benchmarks"] = [BENCHMARK]
    values["selection"]["benchmarks"] = [BENCHMARK]
    values.pop("graders")
    for arm in values["arms"].values():
        arm.pop("evaluate_on", None)
        arm.pop("further_protocols", None)
    values["lengths"] = {"arms": ["vision-r1"], "problems": 20}
    CONFIG.parent.mkdir(parents=True)
    CONFIG.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    _, plan = open_run(CONFIG)
    root = Path(plan.root)
    problems.run(config=CONFIG, out=Path(plan.problems(BENCHMARK)), name=BENCHMARK)
    for slug, arm, seed, evaluation_seeds in (
        ("base_s0", "base", None, (1, 2)),
        ("vision-r1_s1_stage1_step2", "vision-r1", 1, (1,)),
        ("vision-r1_s1", "vision-r1", 1, (1, 2)),
    ):
        _answer(plan, slug, arm, seed, evaluation_seeds)
        grade.run(config=CONFIG, out=root / "eval" / slug / BENCHMARK, checkpoint=slug, benchmark=BENCHMARK)
    candidates = [
        read_candidate(root / "eval", slug, step, [BENCHMARK], 1, "rule")
        for step, slug in ((2, "vision-r1_s1_stage1_step2"), (4, "vision-r1_s1"))
    ]
    selection = Selection(
        arm="vision-r1", train_seed=1, eval_seed=1, profile="rule", candidates=candidates, selected="vision-r1_s1"
    )
    (root / "eval/vision-r1_s1/selected.json").write_text(selection.model_dump_json(), encoding="utf-8")
    for stage, first in ((1, 1), (2, 3)):
        write_log(root, "vision-r1", stage, first, first + 1, 8, 1, 38)
        folder = root / f"train/vision-r1/s1/stage{stage}"
        write_manifest(folder, "rl-stage", {"seed": 1}, {}, {"steps": 2}, telemetry=["timing.jsonl"])
    write_lengths(root, "vision-r1", 1, 20)
    folder = root / "lengths/vision-r1_s1"
    _close(folder / "e1", "vision-r1_s1", {"seed": 1}, _read(folder / "e1"))
    write_summary(
        folder / "responses.json", {"e1": folder / "e1/responses.jsonl"}, {"e1": counts(_read(folder / "e1"))}
    )
    traces = [
        Trace(
            id=str(k), source="lab", image_sha=None, question="sum?", answer="8", pseudo_cot="3 5", description="3 5",
            chain="3+5=8. Wait: 8", final_answer="8",
        )
        for k in range(10)
    ]  # fmt: skip
    write_rows(root / "coldset/traces.jsonl", traces)
    write_manifest(root / "coldset", "coldset", {}, {}, {"kept": len(traces)})


def _answer(plan: Plan, slug: str, arm: str, seed: int | None, evaluation_seeds: tuple[int, ...]) -> None:
    """Two of three answers are right."""
    questions = read_questions(lookup.facts(BENCHMARK), Path(plan.problems(BENCHMARK)))
    files, figures = {}, {}
    for evaluation_seed in evaluation_seeds:
        folder = Path(plan.eval_dir(slug, BENCHMARK, "single", evaluation_seed))
        rows = [
            Response(
                run=RUN.name, model=slug, arm=arm, train_seed=seed, eval_seed=evaluation_seed, protocol="single",
                benchmark=BENCHMARK, id=key, prompt_sha="0" * 64, model_sha=slug, finish_reason="stop", n_tokens=9,
                response=f"<think> 1 </think><answer> Final Answer:{row['answer'] if k % 3 else 'none'} </answer>",
            )
            for k, (key, row) in enumerate(questions.items())
        ]  # fmt: skip
        write_rows(folder / "responses.jsonl", rows)
        _close(folder, slug, {"seed": evaluation_seed, "benchmark": BENCHMARK, "protocol": "single"}, rows)
        name = f"{BENCHMARK}/single/e{evaluation_seed}"
        files[name], figures[name] = folder / "responses.jsonl", counts(rows)
    write_summary(Path(plan.root) / "eval" / slug / "responses.json", files, figures)


def _close(folder: Path, slug: str, content: dict[str, Any], rows: list[Response]) -> None:
    content |= {"model": slug, "model_sha": rows[0].model_sha, "counts": counts(rows)}
    (folder / "run.json").write_text(json.dumps({"content": content, "made": {}}), encoding="utf-8")


def _read(folder: Path) -> list[Response]:
    lines = (folder / "responses.jsonl").read_text(encoding="utf-8").splitlines()
    return [Response.model_validate_json(line) for line in lines]
