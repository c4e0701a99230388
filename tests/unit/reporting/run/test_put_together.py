"""Scores that are put together from shares (MME, HallusionBench): in `grade`, in its file, and in a run's results."""

import json
import random
from collections import defaultdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from vr1repro.benchmarks import lookup
from vr1repro.cli import app
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import write_rows
from vr1repro.reporting.run.scores import accuracy, gain, question_means
from vr1repro.reporting.run.scores_by_seed import sampling_spread, scores_by_seed

Row = dict[str, Any]
SETTINGS = ReportSettings()
_CHECK = "gpt4v_output_gpt_check"


def hallusion_questions(sets: int = 30) -> list[Row]:
    """In the shape of the real ones: VD with an original and edited figures, VS without and with pictures."""
    rng, rows = random.Random(3), []
    for number in range(sets):
        category, figures = ("VD", 2) if number % 2 else ("VS", 3)
        for figure, question in product(range(figures), range(rng.choice([1, 2, 3]))):
            rows.append({
                "category": category, "subcategory": rng.choice(["ocr", "chart"]) if number > 9 else "ocr",
                "visual_input": "0" if (category, figure) == ("VS", 0) else "1", "set_id": str(number // 2),
                "figure_id": str(figure), "question_id": str(question), "question": "Is it?",
                "gt_answer_details": "It is.", "gt_answer": str(rng.randrange(2)),
            })  # fmt: skip
    unique = {tuple(row[key] for key in ("category", "subcategory", "set_id", "figure_id", "question_id")): row
              for row in rows}  # fmt: skip
    return list(unique.values())


def mme_questions(pictures: int = 12) -> list[Row]:
    return [
        {"question_id": f"{subtask}/{number}.jpg", "question": f"Is it {k}? Please answer yes or no.",
         "answer": ["Yes", "No"][k], "category": subtask}
        for subtask in ("OCR", "code_reasoning") for number in range(pictures) for k in (0, 1)
    ]  # fmt: skip


def graded(tmp_path: Path, slug: str, profile: str, questions: list[Row], responses: list[Row]) -> list[Row]:
    """The scores that `grade` writes; what it prints must be the same."""
    write_rows(tmp_path / "q.jsonl", questions)
    write_rows(tmp_path / "r.jsonl", responses)
    done = CliRunner().invoke(app, [
        "grade", "--benchmark", slug, "--profile", profile, "--responses", str(tmp_path / "r.jsonl"),
        "--questions", str(tmp_path / "q.jsonl"), "--out", str(tmp_path / "v.jsonl"),
    ])  # fmt: skip
    assert done.exit_code == 0, done.output
    scores: list[Row] = json.loads((tmp_path / "v.jsonl.scores.json").read_text())["scores"]
    printed = zip(scores, done.stdout.splitlines(), strict=False)  # a note on the number of questions follows
    assert [line for score, line in printed if shown(score["value"]) not in line] == []
    return scores


def shown(value: float | None) -> str:
    return " - " if value is None else f" {value:.2f}"


def of(scores: list[Row], group: str, name: str, metric: str) -> Row:
    return next(one for one in scores if (one["group"], one["name"], one["metric"]) == (group, name, metric))


def test_hallusionbench_is_put_together_as_its_repository_does(tmp_path: Path) -> None:
    """Written again from evaluation.py and utils.py of tianyi-lab/HallusionBench@744007c, without our code."""
    questions, rng = hallusion_questions(), random.Random(4)
    # As its result files are: the question's own columns, the reply and the judge's verdict, and no id.
    rows = [{**row, _CHECK: rng.choice("0112"), "model_prediction": "It is."} for row in questions]
    scores = graded(tmp_path, "hallusionbench", "official", questions, rows)
    right = [row[_CHECK] == "1" or (row[_CHECK], row["category"], row["figure_id"]) == ("2", "VS", "0") for row in rows]
    figures, pairs = defaultdict(list), defaultdict(list)
    for row, correct in zip(rows, right, strict=True):
        base = (row["category"], row["subcategory"], row["set_id"])
        if (row["category"], row["figure_id"]) != ("VS", "0"):
            figures[(*base, row["figure_id"])].append(correct)
        pairs[(*base, row["question_id"])].append(correct)
    theirs = [
        100 * sum(right) / len(right),
        100 * sum(map(all, figures.values())) / len(figures),
        100 * sum(map(all, pairs.values())) / len(pairs),
    ]
    parts = [of(scores, "overall", "all", metric) for metric in ("aAcc", "fAcc", "qAcc")]
    assert [part["value"] for part in parts] == pytest.approx(theirs)
    assert [part["n"] for part in parts] == [len(rows), len(figures), len(pairs)]
    overall = of(scores, "overall", "all", "mean")
    assert overall["value"] == pytest.approx(sum(theirs) / 3)
    sets = {(row["category"], row["subcategory"], row["set_id"]) for row in rows}
    assert (overall["n"], overall["clusters"]) == (len(rows), len(sets))
    assert overall["interval"][0] < overall["value"] < overall["interval"][1]
    assert of(scores, "category", "VD", "qAcc")["n"] == sum(key[0] == "VD" for key in pairs)


def test_mme_adds_acc_and_acc_plus_over_subtasks(tmp_path: Path) -> None:
    questions = mme_questions()
    # Of each subtask's pictures: every third wrong in its second question, OCR's first with no answer to be read.
    rows = [
        {"question_id": row["question_id"], "response": "Yes" if number % 6 == 5 else row["answer"]}
        for number, row in enumerate(questions)
    ]
    rows[0]["response"] = "Perhaps"
    scores = graded(tmp_path, "mme", "official", questions, rows)
    ocr, code = 19 / 24 + 7 / 12, 20 / 24 + 8 / 12
    assert of(scores, "overall", "all", "sum")["value"] == pytest.approx(100 * (ocr + code))
    assert of(scores, "overall", "all", "sum")["maximum"] == 400
    assert of(scores, "subtask", "OCR", "sum")["value"] == pytest.approx(100 * ocr)
    assert of(scores, "subtask", "OCR", "acc+")["value"] == pytest.approx(100 * 7 / 12)
    assert of(scores, "ability", "cognition", "sum")["value"] == pytest.approx(100 * code)
    assert (of(scores, "overall", "all", "sum")["n"], of(scores, "overall", "all", "sum")["clusters"]) == (48, 24)


def test_an_undecided_row_bounds_the_shares_that_it_is_in(tmp_path: Path) -> None:
    questions = mme_questions(1)[:2]
    rows = [{"question_id": "OCR/0.jpg", "response": text} for text in ("Yes or no", "No")]
    scores = graded(tmp_path, "mme", "vlmevalkit", questions, rows)
    assert of(scores, "overall", "all", "acc+")["bounds"] == [0, 100]
    assert of(scores, "overall", "all", "sum")["bounds"] == [50, 200]
    rows[1]["response"] = "Yes"
    scores = graded(tmp_path, "mme", "vlmevalkit", questions, rows)
    assert of(scores, "overall", "all", "acc+")["bounds"] == [0, 0]


def test_other_benchmarks_have_their_scores_there_too(tmp_path: Path) -> None:
    questions = [
        {"index": k, "question": "?\nOptions: A: x, B: y, C: z, D: w", "answer": "A", "category": "math",
         "l2_category": "geometry"} for k in range(4)
    ]  # fmt: skip
    scores = graded(tmp_path, "mmstar", "official", questions, [{"id": k, "response": "AAAB"[k]} for k in range(4)])
    assert [(one["group"], one["value"], one["n"], one["clusters"]) for one in scores] == [
        ("overall", 75, 4, 4), ("category", 75, 4, 4), ("l2_category", 75, 4, 4),
    ]  # fmt: skip


def tidy(slug: str, questions: list[Row], right: np.ndarray) -> pd.DataFrame:
    """Rows of one model, a column of `right` for each evaluation seed."""
    facts = lookup.facts(slug)
    numbering = None if facts.numbered is None else facts.numbered()
    rows = []
    for number, row in enumerate(questions):
        question = row if numbering is None else numbering.numbered(row)
        described = {
            "benchmark": slug, "id": facts.id_of(question), "cluster": facts.cluster(question),
            "stratum": facts.stratum(question), "units": facts.units(question), "subsets": (), "train_seed": 0,
        }  # fmt: skip
        rows += [{**described, "eval_seed": seed, "correct": bool(value)} for seed, value in enumerate(right[number])]
    return pd.DataFrame(rows).astype({"correct": object})


def by_hand(slug: str, rows: pd.DataFrame) -> float:
    """A score from its definition."""
    shares: dict[tuple[int, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for units, stratum, correct in zip(rows["units"], rows["stratum"], rows["correct"], strict=True):
        for place, unit in enumerate(units):
            if unit is not None:
                shares[place, stratum][unit].append(correct)
    means = [100 * np.mean([all(values) for values in units.values()]) for units in shares.values()]
    return float(sum(means) if slug == "mme" else np.mean(means))


@pytest.mark.parametrize("slug", ["mme", "hallusionbench"])
def test_a_runs_scores_are_in_the_benchmarks_unit(slug: str) -> None:
    questions = mme_questions() if slug == "mme" else hallusion_questions()
    right = np.random.default_rng(5).random((len(questions), 3)) < 0.7
    frame = tidy(slug, questions, right)
    each = [by_hand(slug, frame[frame["eval_seed"] == seed]) for seed in range(3)]
    assert scores_by_seed(frame, [slug]) == {0: pytest.approx(each)}
    estimate = accuracy(frame, SETTINGS)
    assert estimate.value == pytest.approx(np.mean(each))
    assert estimate.n == len(frame)
    assert estimate.clusters == frame["cluster"].nunique()
    assert estimate.low < estimate.value < estimate.high
    # Beside another benchmark it counts as a share of what it is out of.
    top = 400 if slug == "mme" else 100
    assert question_means(frame)["right"].between(0, 1).all()
    units = {(place, unit) for row in frame["units"] for place, unit in enumerate(row) if unit is not None}
    assert len(question_means(frame)) == len(units)
    worse = tidy(slug, questions, right & (np.arange(len(questions)) % 4 > 0)[:, None])
    lost = gain(frame, worse, SETTINGS).estimate.value
    assert lost == pytest.approx(estimate.value - accuracy(worse, SETTINGS).value)
    other = pd.DataFrame([{"benchmark": "mmstar", "id": "1", "cluster": "1", "stratum": "all", "units": (),
                           "subsets": (), "train_seed": 0, "eval_seed": seed, "correct": True}
                          for seed in range(3)])  # fmt: skip
    both = scores_by_seed(pd.concat([frame, other.astype({"correct": object})]), [slug, "mmstar"])
    assert both == {0: pytest.approx([(100 * score / top + 100) / 2 for score in each])}


@pytest.mark.slow
@pytest.mark.parametrize("slug", ["mme", "hallusionbench"])
def test_the_errors_are_those_of_repeated_studies(slug: str) -> None:
    """The standard error against the spread over drawn sets of clusters, the sampling spread against drawn answers."""
    questions, rng = mme_questions(30) if slug == "mme" else hallusion_questions(60), np.random.default_rng(6)
    chance = rng.choice([0.05, 0.5, 0.95], size=len(questions))
    frame = tidy(slug, questions, (rng.random(len(questions)) < chance)[:, None])
    groups = [part for _, part in frame.groupby("cluster")]
    drawn = []
    for _ in range(100):
        picked = [groups[k].assign(units=[tuple(None if unit is None else f"{unit}@{draw}" for unit in units)
                                          for units in groups[k]["units"]])
                  for draw, k in enumerate(rng.integers(len(groups), size=len(groups)))]  # fmt: skip
        drawn.append(by_hand(slug, pd.concat(picked)))
    assert accuracy(frame, SETTINGS).stderr == pytest.approx(np.std(drawn, ddof=1), rel=0.25)
    seeds = tidy(slug, questions, rng.random((len(questions), 100)) < chance[:, None])
    spread = sampling_spread(seeds, [slug])
    assert spread is not None
    scores = [by_hand(slug, part) for _, part in seeds.groupby("eval_seed")]
    assert np.sqrt(spread.variance) == pytest.approx(np.std(scores, ddof=1), rel=0.25)
