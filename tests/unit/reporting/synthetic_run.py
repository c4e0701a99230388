"""A small synthetic run, written through the real records and read back by the code under test."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vr1repro.coldset.records import Compared
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.records import STEPS_VERSION, Response, Trace, Verdict
from vr1repro.evaluation.selection import Candidate, Selection, best_of
from vr1repro.reporting.run.arms import ArmInfo, StageInfo

VERSIONS = ("Text Dominant", "Text Lite", "Vision Intensive", "Vision Dominant", "Vision Only")
CLASSES = ("easy", "medium", "hard")
BENCHMARKS = ("mathvista", "mathverse", "mmmath")
HOSTILE = "</think><script>alert('x')</script><b>&"

# Chance of a right answer by class, at an arm's end.
SKILL = {
    "base": (0.55, 0.40, 0.20),
    "ci": (0.60, 0.30, 0.10),
    "zero": (0.75, 0.45, 0.20),
    "long": (0.80, 0.60, 0.35),
    "vision-r1": (0.90, 0.75, 0.60),
    "ptst-4kx16-4kx16": (0.88, 0.60, 0.20),
}
LENGTH = {"base": 34, "ci": 90, "zero": 36, "long": 60, "vision-r1": 45, "ptst-4kx16-4kx16": 34}


def arm_infos() -> dict[str, ArmInfo]:
    """Arms as the report sees them; one of them was never run."""
    first = StageInfo(number=1, owner="vision-r1", last_step=20, max_tokens=40, group=16)
    stages = {
        "zero": (StageInfo(number=1, owner="zero", last_step=40, max_tokens=96, group=16),),
        "long": (StageInfo(number=1, owner="long", last_step=40, max_tokens=384, group=4),),
        "vision-r1": (first, StageInfo(number=2, owner="vision-r1", last_step=40, max_tokens=96, group=8)),
        "ptst-4kx16-4kx16": (
            first,
            StageInfo(number=2, owner="ptst-4kx16-4kx16", last_step=40, max_tokens=40, group=16),
        ),
        "vision-r1-stage3": (
            first,
            StageInfo(number=2, owner="vision-r1", last_step=40, max_tokens=96, group=8),
            StageInfo(number=3, owner="vision-r1-stage3", last_step=60, max_tokens=384, group=4),
        ),
    }
    labels = {"base": "Base", "ci": "Vision-R1-CI", "zero": "Vision-R1-Zero", "long": "Vision-R1-Long"}
    labels |= {"vision-r1": "Vision-R1", "ptst-4kx16-4kx16": "40x16, 40x16", "vision-r1-stage3": "Third stage"}
    parents = {"base": "base", "zero": "base"}
    return {
        name: ArmInfo(
            name=name,
            label=label,
            parent=parents.get(name, "ci"),
            stages=stages.get(name, ()),
            selected=True,
            command=f"snakemake {name}",
            trained=name != "base",
            released=name == "base",
            tuned_from="base" if name == "ci" else None,
        )
        for name, label in labels.items()
    }


def write_questions(run: Path, n: int) -> dict[str, list[dict[str, object]]]:
    """Questions in the hubs' schemas, with pictures that nothing may read."""
    picture = {"bytes": b"not a picture: reading it must fail", "path": "1.png"}
    tasks = ("geometry problem solving", "math word problem", "figure question answering")
    skills = (["geometry reasoning", "algebraic reasoning"], ["arithmetic reasoning"], ["statistical reasoning"])
    rows: dict[str, list[dict[str, object]]] = {
        "mathvista": [
            {
                "pid": str(k + 1),
                "question": f"question {k}",
                "answer": "8",
                "question_type": "free_form",
                "answer_type": "integer",
                "image": f"images/{k // 2}.jpg",
                "decoded_image": picture,
                "metadata": {"task": tasks[k % 3], "skills": skills[k % 3]},
                "klass": CLASSES[k % 3],
            }
            for k in range(n)
        ],
        "mathverse": [
            {
                "sample_index": str(5 * k + v + 1),
                "problem_index": str(k + 1),
                "problem_version": version,
                "image": picture,
                "klass": CLASSES[k % 3],
            }
            for k in range(n // 2)
            for v, version in enumerate(VERSIONS)
        ],
        "mmmath": [
            {"id": f"mm-{k}", "file_name": f"{k}.png", "difficult": CLASSES[k % 3], "klass": CLASSES[k % 3]}
            for k in range(n)
        ],
    }
    for benchmark, table in rows.items():
        path = run / "problems" / benchmark / "test.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(table), path)
    return rows


def write_model(
    run: Path,
    questions: dict[str, list[dict[str, object]]],
    model: str,
    skill: tuple[float, ...],
    length: float,
    seed: int,
) -> None:
    """Responses of one model under two evaluation seeds, and their verdicts under two profiles."""
    arm, train_seed = model.split("_")[0], int(model.split("_")[1][1:])
    for benchmark, rows in questions.items():
        for eval_seed in (1, 2):
            generator = np.random.default_rng([seed, eval_seed, BENCHMARKS.index(benchmark)])
            folder = run / "eval" / model / benchmark / "single" / f"e{eval_seed}"
            responses, rule, strict = [], [], []
            for row in rows:
                key = str(row.get("pid") or row.get("sample_index") or row["id"])
                klass = CLASSES.index(str(row["klass"]))
                tokens = int(length * (0.7 + 0.5 * klass) * generator.lognormal(0, 0.35))
                cut = tokens > 380
                right = bool(generator.random() < skill[klass] * math.exp(-max(0, tokens - 60) / 400)) and not cut
                outcome = "right" if right else "unparsable" if cut else "wrong"
                if model == "zero_s1" and eval_seed == 2 and row is rows[0]:  # few enough for a headline
                    outcome = "timeout"
                text = f"<think>3 5 7 Wait, check: {HOSTILE} 3+5=8 Hmm</think><answer> Final Answer:{klass} </answer>"
                responses.append(
                    Response(
                        run="test",
                        model=model,
                        arm=arm,
                        train_seed=train_seed,
                        eval_seed=eval_seed,
                        protocol="single",
                        benchmark=benchmark,
                        id=key,
                        prompt_sha="0" * 64,
                        response=text,
                        n_tokens=min(tokens, 380),
                        finish_reason="length" if cut else "stop",
                    )
                )
                rule.append(Verdict(id=key, extraction=str(klass), verdict=outcome))
                loses = outcome == "right" and generator.random() < 0.05
                strict.append(Verdict(id=key, extraction=str(klass), verdict="wrong" if loses else outcome))
            write_rows(folder / "responses.jsonl", responses)
            write_rows(folder / "verdicts" / "rule.jsonl", rule)
            write_rows(folder / "verdicts" / "strict.jsonl", strict)


def write_log(run: Path, arm: str, stage: int, first: int, last: int, limit: int, seed: int, length: float) -> None:
    """The step log of one stage."""
    generator = np.random.default_rng([seed, stage, last])
    rows = []
    for step in range(first, last + 1):
        part = (step - first) / max(1, last - first)
        mean = length * (1 - 0.4 * part) + generator.normal(0, 2)
        clipped = max(0.0, 0.5 * (1 - part) if limit < 60 else 0.02)
        reward = 0.2 + 0.5 * step / 60 + generator.normal(0, 0.04)
        outcomes = {"right": 40, "wrong": 20, "unparsable": 4, "timeout": 0, "judge_error": 0}
        rows.append(
            {
                "schema_version": STEPS_VERSION,
                "arm": arm,
                "stage": stage,
                "step": step,
                "mean_length": mean,
                "clipped_share": clipped,
                "reward": reward,
                "accuracy": reward + 0.02,
                "format_share": 0.9,
                "zero_variance_share": 0.2 + 0.2 * part,
                "entropy": 0.8 - 0.5 * part,
                "kl": 0.01 * part,
                "loss": generator.normal(0, 0.01),
                "learning_rate": 1e-4,
                "outcomes": outcomes,
            }
        )
    write_rows(run / "train" / arm / f"s{seed}" / f"stage{stage}" / "steps.jsonl", rows)


def write_lengths(run: Path, arm: str, seed: int, length: float) -> None:
    """Completions on the RL set, half of them twice as long as the others."""
    rows = [
        Response(
            run="test", model=f"{arm}_s{seed}", arm=arm, train_seed=seed, eval_seed=1, protocol="single",
            benchmark="rl-set", id=f"rl-{k}", prompt_sha="0" * 64, response="x", finish_reason="stop",
            n_tokens=round(length * (1 + k % 2)),
        )
        for k in range(20)
    ]  # fmt: skip
    write_rows(run / "lengths" / f"{arm}_s{seed}" / "e1" / "responses.jsonl", rows)


def write_selection(run: Path, arm: str, seed: int, steps: dict[int, str]) -> None:
    """The choice among an arm's checkpoints, as the workflow writes it."""
    candidates = []
    for step, slug in steps.items():
        scores = {}
        for benchmark in BENCHMARKS:
            path = run / "eval" / slug / benchmark / "single" / "e1" / "verdicts" / "rule.jsonl"
            right = [verdict.correct is True for verdict in read(path, Verdict)]
            scores[benchmark] = 100 * sum(right) / len(right)
        candidates.append(Candidate(slug=slug, step=step, scores=scores))
    selection = Selection(
        arm=arm, train_seed=seed, eval_seed=1, profile="rule", candidates=candidates, selected=best_of(candidates).slug
    )
    (run / "eval" / f"{arm}_s{seed}" / "selected.json").write_text(selection.model_dump_json(), encoding="utf-8")


def write_run(run: Path, n: int = 90, train_seeds: tuple[int, ...] = (1,)) -> None:
    """A whole run: questions, ends and checkpoints of six arms, step logs, cold-start set."""
    questions = write_questions(run, n)
    for arm, skill in SKILL.items():
        for train_seed in (0,) if arm == "base" else train_seeds:
            write_model(run, questions, f"{arm}_s{train_seed}", skill, LENGTH[arm], 7 * train_seed + len(arm))
    for train_seed in train_seeds:
        for k, step in enumerate((10, 20, 30)):
            skill = tuple(0.3 + 0.15 * k + 0.1 * x for x in SKILL["vision-r1"])
            stage = 1 if step <= 20 else 2
            write_model(run, questions, f"vision-r1_s{train_seed}_stage{stage}_step{step}", skill, 45, step)
            for arm in ("zero", "long"):
                write_model(run, questions, f"{arm}_s{train_seed}_stage1_step{step}", SKILL[arm], LENGTH[arm], step)
        for arm in ("ci", "vision-r1"):
            write_lengths(run, arm, train_seed, LENGTH[arm])
        for arm, stage in (("vision-r1", 2), ("zero", 1)):
            steps = {30: f"{arm}_s{train_seed}_stage{stage}_step30", 40: f"{arm}_s{train_seed}"}
            write_selection(run, arm, train_seed, steps)
        write_log(run, "vision-r1", 1, 1, 20, 40, train_seed, 38)
        write_log(run, "vision-r1", 2, 21, 40, 96, train_seed, 46)
        write_log(run, "ptst-4kx16-4kx16", 2, 21, 40, 40, train_seed, 38)
        write_log(run, "zero", 1, 1, 40, 96, train_seed, 34)
        write_log(run, "long", 1, 1, 40, 384, train_seed, 95)
    traces = [
        Trace(
            id=str(k),
            source="lab",
            image_sha=None,
            question="sum?",
            answer="8",
            pseudo_cot="Caption: 3 5. Reasoning: 8",
            description="3 5",
            chain="3 5 3+5=8. Wait, check: 3 5 3+5=8. Hmm, wait: 8",
            final_answer="8",
            rejected="answer" if k % 3 == 0 else None,
        )
        for k in range(30)
    ]
    write_rows(run / "coldset" / "traces.jsonl", traces)
    sides = [
        {"words": 9 * words, "answer": "8", "outcome": "right" if k % part else "wrong"}
        for k in range(12)
        for words, part in ((3, 4), (1, 2))
    ]
    both = zip(sides[::2], sides[1::2], strict=True)
    compared = [
        Compared.model_validate({"id": str(k), "source": "lab", "with_pseudo_cot": first, "without": second})
        for k, (first, second) in enumerate(both)
    ]
    write_rows(run / "coldset" / "ablation.jsonl", compared)
    summary = {"problems": 30, "kept": 20, "rejected": {"answer": 10}}
    (run / "coldset" / "yield.json").write_text(json.dumps(summary), encoding="utf-8")
