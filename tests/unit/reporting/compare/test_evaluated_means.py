"""The means that `vr1repro evaluate` ends with are those of the scores that `grade` prints, in the benchmark's unit."""

import random
import re
from collections import defaultdict
from pathlib import Path

import pytest
from test_general_benchmarks import GOLD, OTHER, QUESTIONS, Row

from vr1repro.core.jsonl import write_rows
from vr1repro.evaluation.grading import grade_file
from vr1repro.evaluation.standalone import Evaluated
from vr1repro.reporting.compare.evaluated import means

PROFILE = "official"
# DynaMath's worst case, and a part of MathVerse that is in no overall score.
DYNAMATH: list[Row] = [
    {"id": f"{n}-{variant}", "seed": str(n), "question": "?", "ground_truth": str(n), "answer_type": "float",
     "subject": "algebra", "knowledge_level": "high school"} for n in range(40) for variant in range(3)
]  # fmt: skip
MATHVERSE: list[Row] = [
    {"sample_index": str(k), "problem_index": str(n), "problem_version": version, "question": "?", "answer": str(n),
     "question_type": "free-form", "metadata": {}}
    for k, (n, version) in enumerate((n, version) for n in range(40) for version in ("Text Lite", "Text Only"))
]  # fmt: skip
UNITS = {
    "mme": "points of 2,800, the sum of acc, acc+",
    "hallusionbench": "percent, the mean of aAcc, fAcc, qAcc",
    "mmstar": "percent",
    "chartqa": "percent",
    "mathverse": "percent",
    "dynamath": "percent",
}
# Questions and gold answers of benchmarks that v4 Table 2 has not.
FURTHER = {"mathverse": (MATHVERSE, "answer"), "dynamath": (DYNAMATH, "ground_truth")}


def evaluated(folder: Path, slug: str, questions: list[Row]) -> tuple[Evaluated, dict[tuple[str, str], list[float]]]:
    """Verdicts under two seeds, and each overall score and group's by seed."""
    write_rows(folder / "questions" / slug / "q.jsonl", questions)
    verdicts, scores = {}, defaultdict(list)
    for seed in (1, 2):
        rng = random.Random(seed)
        rows = []
        for row in questions:
            gold = row[FURTHER[slug][1]] if slug in FURTHER else GOLD[slug](row)
            text = gold if rng.random() < 0.8 else OTHER.get(slug, lambda row: "none")(row)
            key = {"id": row["index"]} if slug == "mmstar" else row
            rows.append({**key, "response": f"<think> hm </think><answer> Final Answer:{text} </answer>"})
        responses, out = folder / f"r{seed}.jsonl", folder / f"v{seed}.jsonl"
        write_rows(responses, rows)
        for score in grade_file(
            slug, "rule" if slug in FURTHER else PROFILE, responses, folder / "questions" / slug, out
        ):
            assert score.value is not None
            scores[score.group, score.metric].append(score.value)
        verdicts[slug, seed] = {"single": out}
    return Evaluated(model="m", out=folder, profile=PROFILE, text="", verdicts=verdicts), scores


def lines_of(text: str) -> dict[str, float]:
    """The value of each line by its label."""
    matches = re.findall(r"^  (\S.*?) {2,}([\d,.]+) \[", text, re.MULTILINE)
    return {label: float(value.replace(",", "")) for label, value in matches}


@pytest.mark.parametrize("slug", UNITS)
def test_overall_scores_and_their_parts(slug: str, tmp_path: Path) -> None:
    questions = FURTHER[slug][0] if slug in FURTHER else QUESTIONS[slug]
    run, scores = evaluated(tmp_path, slug, questions)
    text = means(run)
    assert text.splitlines()[1].endswith(f"2 seed(s), {UNITS[slug]}")
    values = lines_of(text)
    plain = {"accuracy": "overall", "sum": "overall", "mean": "overall"}
    named = {
        plain.get(metric, f"overall, {metric}"): by_seed
        for (group, metric), by_seed in scores.items()
        if group == "overall"
    }
    if worst := scores.get(("worst case", "accuracy")):
        named["overall, worst case"] = worst
    assert len(named) == {"mme": 3, "hallusionbench": 4, "dynamath": 2}.get(slug, 1)
    for label, by_seed in named.items():
        mean = sum(by_seed) / 2
        assert values[label] == pytest.approx(mean, abs=0.51 if mean > 1000 else 0.051)


def test_every_sub_score_of_a_sum_says_what_it_is_out_of(tmp_path: Path) -> None:
    run, _ = evaluated(tmp_path, "mme", QUESTIONS["mme"])
    text = means(run)
    for label, maximum in (("overall", "2,800"), ("ability-perception", "2,000"), ("subtask-count", "200.0")):
        (line,) = [line for line in text.splitlines() if line.split()[0] == label and "[" in line]
        assert f"] of {maximum} " in line
    parts = [line for line in text.splitlines() if line.startswith("  overall, ")]
    assert len(parts) == 2
    assert not any(" of " in line for line in parts)


def test_questions_in_no_overall_score_have_a_line_of_their_own(tmp_path: Path) -> None:
    run, _ = evaluated(tmp_path, "mathverse", MATHVERSE)
    values = lines_of(means(run))
    assert values["overall"] == values["version-text-lite"]
    assert values["version-text-only"] > 50
