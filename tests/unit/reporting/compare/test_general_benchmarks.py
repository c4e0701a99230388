"""The general benchmarks of v4 Table 2: a verdict on each printed claim, in its unit and under both profiles."""

import random
from pathlib import Path
from typing import Any

import pytest

from vr1repro.benchmarks.mme import COGNITION, PERCEPTION
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import write_rows
from vr1repro.evaluation.grading import grade_file
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.compare.foreign import GradingOptions, ModelResponses, assemble_run, open_assembled
from vr1repro.reporting.compare.printed import compare_arm, scores_printed_for
from vr1repro.reporting.tables.table import paper_tables

Row = dict[str, Any]
PROFILES = ("official", "vlmevalkit")
SUBTASKS = (*PERCEPTION, *COGNITION)


def mme(subtasks: tuple[str, ...] = SUBTASKS) -> list[Row]:
    return [
        {"question_id": f"{subtask}/{n}.jpg", "question": f"q{k}", "answer": ["Yes", "No"][k], "category": subtask}
        for subtask in subtasks for n in range(20) for k in (0, 1)
    ]  # fmt: skip


QUESTIONS: dict[str, list[Row]] = {
    "mme": mme(),
    "mmstar": [{"index": n, "question": "?\nOptions: A: x, B: y, C: z, D: w", "answer": "ABCD"[n % 4],
                "category": "math", "l2_category": "geometry"} for n in range(300)],
    "chartqa": [{"id": str(n), "query": "?", "label": [str(n + 10)], "human_or_machine": n % 2} for n in range(300)],
    "hallusionbench": [
        {"category": "VD", "subcategory": "math", "visual_input": "1", "set_id": str(n), "figure_id": str(f),
         "question_id": "0", "question": "?", "gt_answer": str(f)} for n in range(150) for f in (0, 1)],
}  # fmt: skip
GOLD = {
    "mme": lambda row: row["answer"],
    "mmstar": lambda row: row["answer"],
    "chartqa": lambda row: row["label"][0],
    "hallusionbench": lambda row: ["No", "Yes"][int(row["gt_answer"])],
}
OTHER = {
    "mme": lambda row: {"Yes": "No", "No": "Yes"}[row["answer"]],
    "mmstar": lambda row: {"A": "B"}.get(row["answer"], "A"),
    "chartqa": lambda row: "7",
    "hallusionbench": lambda row: ["Yes", "No"][int(row["gt_answer"])],
}
PRINTED = {"mmstar": 61.4, "chartqa": 83.9, "mme": 2190, "hallusionbench": 49.5}


def results_of(folder: Path, slug: str, profile: str, questions: list[Row]) -> Any:
    write_rows(folder / "q.jsonl", questions)
    files = []
    for seed in range(4):
        rng = random.Random(seed)
        rows = []
        for number, row in enumerate(questions):
            text = (GOLD if rng.random() < (0.5 if number % 7 == 0 else 0.97) else OTHER)[slug](row)
            key = {"id": row["index"]} if slug == "mmstar" else row
            rows.append({**key, "response": f"<think> hm </think><answer> Final Answer:{text} </answer>"})
        write_rows(folder / f"r{seed}.jsonl", rows)
        files.append(folder / f"r{seed}.jsonl")
    options = GradingOptions(benchmark=slug, questions=folder / "q.jsonl", profile=profile, protocol="single")
    models = assemble_run(folder / "run", [ModelResponses(model="m", files=tuple(files))], options)
    for responses in (folder / "run" / "eval").glob("*/*/*/e*/responses.jsonl"):
        for name in PROFILES:
            verdicts = responses.parent / "verdicts" / f"{name}.jsonl"
            if name != profile:
                grade_file(slug, name, responses, folder / "q.jsonl", verdicts)
    return open_assembled(folder / "run", models, ReportSettings(profile=profile, bootstrap_draws=100))


@pytest.mark.parametrize("slug", PRINTED)
def test_the_printed_claims_get_a_verdict_under_both_profiles(tmp_path: Path, slug: str) -> None:
    results = results_of(tmp_path, slug, "official", QUESTIONS[slug])
    rows = [row for row in compare_arm("m", scores_printed_for("Vision-R1-LlamaV-CI-11B"), results)
            if row.published.target is not None and row.published.target.benchmark == slug]  # fmt: skip
    assert {row.published.number for row in rows} == {PRINTED[slug]}
    for row in rows:
        assert row.ours is not None
        assert row.judgement.label in (Label.WEIGHTS_ONLY, Label.REPRODUCED, Label.NOT_REPRODUCED)
        assert row.judgement.difference is not None
        assert row.judgement.by_scorer is not None
        assert row.judgement.by_scorer.keys() == {("single", name) for name in PROFILES}
        # Three hundredths of what the score is out of.
        assert row.margin == (84 if slug == "mme" else 3)
        assert row.ours.value > 100 if slug == "mme" else row.ours.value <= 100


def test_a_sum_over_some_of_the_subtasks_is_not_compared(tmp_path: Path) -> None:
    results = results_of(tmp_path, "mme", "official", mme(SUBTASKS[:7]))
    rows = [row for row in compare_arm("m", scores_printed_for("Vision-R1-LlamaV-CI-11B"), results)
            if row.published.benchmark == "MME"]  # fmt: skip
    assert {row.judgement.reason for row in rows} == {"MME: 1400 of 2800 points were asked for"}


def test_table_2_has_a_column_for_each(tmp_path: Path) -> None:
    results = results_of(tmp_path, "mme", "official", mme())
    (table,) = [table for table in paper_tables(results) if table.key == "T2"]
    assert table.columns[:4] == ("MMStar", "ChartQA", "MME", "HallBench")
