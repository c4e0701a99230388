"""Which arm and which score a printed row speaks about: the paper's names beside ours."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from vr1repro.published.values import Target

# Printed model names, in every spelling of v1, v4 and the README, and the arm that we build for each.
ARMS: Mapping[str, str] = {
    "Qwen2.5-VL-7B": "base",
    "Baseline (Qwen2.5-VL-7B)": "base",
    "Qwen2.5-VL-32B": "base-32b",
    "Qwen2.5-VL-72B": "base-72b",
    "Qwen-2.5-VL 72B": "base-72b",
    "Qwen-2.5-VL-72B (dashed line)": "base-72b",
    "Llama-3.2-11B-V": "llama-base",
    "Vision-R1-LlamaV-CI-11B": "llama-ci",
    "Vision-R1-Zero": "zero",
    "Vision-R1-CI": "ci",
    "Vision-R1-Long": "long",
    "Vision-R1-7B": "vision-r1",
    "Vision-R1-7B (released weights)": "vision-r1",
    "Vision-R1 (Ours)": "vision-r1",
    "Vision-R1 (Ours) 7B": "vision-r1",
    "Vision-R1-32B*": "vision-r1-32b",
    "Vision-R1-72B*": "vision-r1-72b",
    "4Kx16 > 4Kx16": "ptst-4kx16-4kx16",
    "4Kx16 > 8Kx16": "ptst-4kx16-8kx16",
    "4Kx16 > 6Kx12 > 8Kx8": "ptst-4kx16-6kx12-8kx8",
    "16Kx16 > 16Kx16": "ptst-16kx16-16kx16",
    "Zero+PTST": "zero-ptst",
    "Zero+SFT+PTST": "zero-sft-ptst",
}
BASELINE_ARMS = frozenset({"base", "base-32b", "base-72b", "llama-base"})

# Tables of v4 whose numbers are the best checkpoint of "every fifth step in the final 50 steps" (App. A).
BEST_TABLES = frozenset({"Table 5", "Table 6"})
# Sets whose words are counted (v1 Table 2, v4 Table 4): the cold-start set, and its two sources by their adapters.
WORD_SETS: Mapping[str, str] = {
    "llava-cot (100K)": "llava-cot",
    "Mulberry (260K)": "mulberry",
    "Vision-R1-cold (200K)": "coldset",
}

# The paper's column heads, and the benchmark that each means.
BENCHMARKS: Mapping[str, str] = {
    "MathVista": "mathvista",
    "MathVerse": "mathverse",
    "MM-Math": "mmmath",
    "DynaMath": "dynamath",
    "MMStar": "mmstar",
    "ChartQA": "chartqa",
    "MME": "mme",
    "HallBench": "hallusionbench",
}
_SUBSETS: Mapping[str, str] = {
    "": "overall",
    "ALL": "overall",
    "Average": "overall",
    "Overall": "overall",
    "Overall; Avg": "overall",
    "sum": "overall",
    "mini": "overall",
    "GEO": "geo",
    # What v1 and the README's picture head ARI is algebraic reasoning, as v1's caption says and v4's head: MathVista's
    # leaderboard has Vision-R1-7B at ALG 78.6 and ARI 65.2, printed are 79.0.
    "ARI": "alg",
    "ALG": "alg",
    "GPS": "gps",
    "MWP": "mwp",
    "FQA": "task-figure-question-answering",
    "TQA": "task-textbook-question-answering",
    "VQA": "task-visual-question-answering",
    "LOG": "skills-logical-reasoning",
    "NUM": "skills-numeric-commonsense",
    "SCI": "skills-scientific-reasoning",
    "STA": "skills-statistical-reasoning",
    "mini Vision_Only": "vision-only",
}
# Quoted there from its own paper, whose 40.2 is arithmetic reasoning; its algebraic 53.0 is printed by a third party.
_QUOTED_ARITHMETIC = "Math-LLaVA-13B"
# Tables whose heads are MathVista's own names.
_THIRD_PARTY_TABLES = frozenset({"MathVista reference", "MathVista leaderboard"})
# Metrics of settings, of calculations and of sentences: there is no score that they speak about.
_UNTARGETED = frozenset({"setting", "delta_pp", "pp", "rank", "times (over)", "phenomenon", "answer"})
THREE = ("mathvista", "mathverse", "mmmath")
_AVERAGES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("Avg.", "3-benchmark mean"): THREE,
    ("Avg. (3)", ""): THREE,
    ("Avg. of MathVista/MathVerse/MM-Math", ""): THREE,
    ("Avg.", "4-benchmark mean"): (*THREE, "dynamath"),
    ("Avg.", "5-column mean"): (*THREE, "mathverse:vision-only", "dynamath"),
}
_CURVES: Mapping[str, str] = {
    "avg_cot_length_tokens": "tokens",
    "avg_benchmark_accuracy_%": "accuracy",
    "reward_score": "reward",
}


def target(row: Mapping[str, Any]) -> Target | None:
    """Our counterpart of a printed row, or None where we have none (other people's models, settings, deltas).

    Args:
        row: A row of facts: table, model, benchmark, subset, metric, and step for curves.
    """
    if row["benchmark"] == "self-reflection words":
        return _word(None, WORD_SETS[row["model"]], row["subset"]) if row["model"] in WORD_SETS else None
    arm = ARMS.get(row["model"])
    return None if arm is None else target_for(row, arm)


def target_for(row: Mapping[str, Any], arm: str) -> Target | None:
    """The score of an arm that a printed row is compared with, whatever model the row was printed for.

    Returns:
        None where the row is a setting, a sentence, or calculated from printed numbers.
    """
    benchmark, subset, metric = row["benchmark"], row["subset"], row["metric"]
    if metric in _UNTARGETED or metric.startswith("improvement"):
        return None
    if metric in _CURVES:
        step = row.get("step")
        if step is None:  # the dashed reference line of Fig. 1E
            return Target(arm=arm, benchmark="average", quantity="accuracy", of=THREE)
        curve_arm = "vision-r1-stage3" if arm == "vision-r1" and row.get("ptst_stage") == 3 else arm
        return Target(arm=curve_arm, benchmark="rl-curve", quantity=_CURVES[metric], step=step)
    if metric == "avg_output_tokens":
        return Target(arm=arm, benchmark="rl-train", quantity="tokens")
    if metric == "count":
        return _word(arm, BENCHMARKS[benchmark], subset.rpartition(" ")[2])
    best = row["version"] == "v4" and row["table"] in BEST_TABLES and arm not in BASELINE_ARMS
    checkpoint: Literal["best"] | None = "best" if best else None
    if (benchmark, subset) in _AVERAGES:
        of = _AVERAGES[benchmark, subset]
        return Target(arm=arm, benchmark="average", quantity="accuracy", of=of, checkpoint=checkpoint)
    length = re.fullmatch(r"token length (\S+)", subset)
    if length:
        quantity = "proportion" if metric == "proportion_%" else "accuracy"
        return Target(arm=arm, benchmark=BENCHMARKS[benchmark], subset=f"length-{length[1]}", quantity=quantity)
    quantity = "score" if metric == "score" else "accuracy"
    return Target(
        arm=arm, benchmark=BENCHMARKS[benchmark], subset=_subset(row), quantity=quantity, checkpoint=checkpoint
    )


def _subset(row: Mapping[str, Any]) -> str:
    plain = row["table"] in _THIRD_PARTY_TABLES
    quoted = row["model"] == _QUOTED_ARITHMETIC and row["subset"] in ("ARI", "ALG")
    if row["subset"] == "ARI" if plain else quoted:
        return "ari"
    return _SUBSETS[row["subset"]]


def _word(arm: str | None, benchmark: str, word: str) -> Target:
    return Target(arm=arm, benchmark=benchmark, subset=f"word-{word.lower()}", quantity="word_count")
