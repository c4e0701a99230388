"""Collecting saved verdicts and estimating from them."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pandas as pd
import pytest
from synthetic_run import BENCHMARKS, arm_infos

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.benchmarks.questions import read_questions as read_benchmark
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.attempts import attempt_of
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.records import Response, Verdict
from vr1repro.evaluation.counted import select
from vr1repro.evaluation.scores import aggregate
from vr1repro.reporting.claims.contrast import our_mean
from vr1repro.reporting.claims.overview import arm_summaries, coverage
from vr1repro.reporting.run.arms import smoothed, training_log, trajectory
from vr1repro.reporting.run.questions import read_questions, subset_name
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import (
    accuracy,
    average_weights,
    collect,
    difference_bounds,
    eval_folders,
    gain,
    graded,
    last_responses,
    last_verdicts,
    open_shares,
)
from vr1repro.reporting.run.scores_by_seed import draws_by_scorer, scores_by_seed
from vr1repro.reporting.tables.scores_csv import score_table, write_scores


def test_tidy_table_holds_every_verdict(run: Path, results: Results) -> None:
    lines = sum(len(path.read_text().splitlines()) for path in run.glob("eval/*/*/*/e*/verdicts/*.jsonl"))
    assert len(results.frame) == lines
    first = results.frame[(results.frame["model"] == "vision-r1_s1_stage2_step30")].iloc[0]
    assert (first["arm"], first["train_seed"], first["stage"], first["step"]) == ("vision-r1", 1, 2, 30)
    assert not first["final"]
    assert results.frame[results.frame["final"]]["step"].isna().all()


def test_overall_is_what_a_hand_count_gives(run: Path, results: Results) -> None:
    verdicts = [
        verdict
        for path in run.glob("eval/ci_s1/mathvista/single/e*/verdicts/rule.jsonl")
        for verdict in read(path, Verdict)
    ]
    share = 100 * sum(verdict.correct is True for verdict in verdicts) / len(verdicts)
    estimate = results.accuracy("ci", "mathvista")
    assert estimate is not None
    assert estimate.value == pytest.approx(share)
    assert estimate.n == len(verdicts) == 120
    assert estimate.clusters == 30  # two questions a picture


def test_mathverse_clusters_problems_and_averages_versions(results: Results) -> None:
    rows = results.final("zero")
    rows = rows[rows["benchmark"] == "mathverse"]
    part = rows[(rows["stratum"] != "Vision Only") | (rows["eval_seed"] == 1)]  # one version answered half as often
    means = graded(part).assign(right=lambda r: r["correct"].astype(float)).groupby("stratum")["right"].mean()
    estimate = accuracy(part, results.settings, average_weights(part))
    assert len(means) == 5
    assert estimate.value == pytest.approx(100 * means.mean())
    assert estimate.clusters == 30


def test_average_gives_each_benchmark_the_same_share(results: Results) -> None:
    parts = [results.accuracy("long", name) for name in BENCHMARKS]
    mean = results.average("long", BENCHMARKS)
    assert mean is not None
    assert mean.value == pytest.approx(sum(part.value for part in parts if part) / 3)
    assert results.average("long", (*BENCHMARKS, "dynamath")) is None


def test_text_only_questions_do_not_count(tmp_path: Path, results: Results) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"sample_index": str(k), "problem_index": "1", "problem_version": version}
        for k, version in enumerate(("Text Only", "Vision Only"))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert list(read_questions(tmp_path, "mathverse")["stratum"]) == [EXCLUDED, "Vision Only"]

    frame = results.final("ci")
    frame = frame[frame["benchmark"] == "mathverse"]
    extra = frame.head(3).assign(stratum=EXCLUDED, subsets=[("version-text-only",)] * 3, correct=True)
    both = accuracy(pd.concat([frame, extra]), results.settings)
    assert both == accuracy(frame, results.settings)


def test_pictures_are_never_read(run: Path) -> None:
    assert "decoded_image" not in read_questions(run / "problems" / "mathvista", "mathvista").columns


def test_draws_of_every_scorer(results: Results) -> None:
    ends = results.frame[(results.frame["arm"] == "zero") & results.frame["final"]]
    scores = scores_by_seed(results.final("zero"), BENCHMARKS)
    assert list(scores) == [1]
    assert len(scores[1]) == 2
    assert scores_by_seed(results.final("zero"), ("mathverse:vision-only",))[1] != scores[1]
    assert scores_by_seed(results.final("zero"), ("dynamath",)) == {}
    scorers = draws_by_scorer(ends, BENCHMARKS, trained=True)
    means = {profile: our_mean(draws) for (_, profile), draws in scorers.items()}
    assert len(means) == 2
    assert min(means.values()) < means["rule"]  # the strict profile of the fixture only takes credit away


def test_too_much_without_a_verdict_has_no_headline(results: Results) -> None:
    assert results.has_headline(results.final("zero"))
    frame = results.frame.copy()
    frame.loc[(frame["arm"] == "zero") & frame["id"].isin(["1", "2", "3"]), "correct"] = None
    cut = replace(results, frame=frame, _measured={})
    rows = cut.final("zero")
    assert not cut.has_headline(rows)
    assert cut.average("zero", BENCHMARKS) is None
    assert not any(summary.arm == "zero" for summary in arm_summaries(cut))
    assert any(note.startswith("Vision-R1-Zero: no headline") for note in coverage(cut))
    shares = open_shares(rows, average_weights(rows))
    assert shares.low < accuracy(rows, results.settings, average_weights(rows)).value < shares.high
    nothing = accuracy(rows.assign(correct=None), results.settings)
    assert math.isnan(nothing.value)
    assert (nothing.low, nothing.high) == (0.0, 100.0)


def test_unequally_readable_sides_have_bounds(results: Results) -> None:
    after, before = results.final("vision-r1"), results.final("ci")
    assert difference_bounds(after, after, results.settings) is None
    unread = before.assign(verdict="unparsable", correct=False)
    bounds = difference_bounds(after, unread, results.settings)
    assert bounds is not None
    assert bounds[0] < gain(after, before, results.settings).estimate.value < bounds[1]


def test_gain_pairs_by_question(results: Results) -> None:
    better, worse = results.final("vision-r1"), results.final("ci")
    difference = gain(better, worse, results.settings)
    means = [results.average(arm, BENCHMARKS) for arm in ("vision-r1", "ci")]
    assert difference.estimate.value == pytest.approx(means[0].value - means[1].value)  # type: ignore[union-attr]
    assert difference.estimate.low > 0
    assert gain(worse, better, results.settings).estimate.value == pytest.approx(-difference.estimate.value)


def test_score_table_never_has_a_value_without_its_error(results: Results, tmp_path: Path) -> None:
    some = results.frame[results.frame["arm"].isin(["ci", "zero"])]
    table = score_table(some, results.settings)
    assert not table[["value", "n", "clusters", "stderr", "low", "high", "method"]].isna().any().any()
    assert {"overall", "gps", "geo", "vision-only"} <= set(table["subset"])
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    one = table[(table["benchmark"] == "average") & (table["arm"] == "zero") & table["final"]]
    one = one[one["profile"] == "rule"]
    assert one["ungraded_%"].iloc[0] > 0
    assert (table["bound_low"] <= table["bound_high"]).all()
    write_scores(tmp_path / "a.csv", table)
    write_scores(tmp_path / "b.csv", table)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(table)


def test_the_last_attempt_counts(fresh_run: Callable[..., Path], settings: ReportSettings) -> None:
    run = fresh_run()
    folder = run / "eval" / "ci_s1" / "mmmath" / "single" / "e1"
    first = next(iter(read(folder / "responses.jsonl", Response)))
    again = first.model_copy(update={"attempt": 2, "n_tokens": 7})
    write_rows(folder / "responses.jsonl", [again, *read(folder / "responses.jsonl", Response)])
    verdicts = [Verdict(id=first.id, verdict="right", attempt=2), Verdict(id=first.id, verdict="wrong", attempt=0)]  # type: ignore[call-arg]
    write_rows(folder / "verdicts" / "rule.jsonl", verdicts)
    frame = collect(run, settings)
    row = frame[(frame["model"] == "ci_s1") & (frame["benchmark"] == "mmmath") & (frame["profile"] == "rule")]
    row = row[row["eval_seed"] == 1]
    assert list(row["correct"]) == [True]
    assert list(row["n_tokens"]) == [7]


def test_orphan_verdicts_and_unknown_questions_are_refused(
    fresh_run: Callable[..., Path], settings: ReportSettings
) -> None:
    run = fresh_run()
    path = run / "eval" / "ci_s1" / "mmmath" / "single" / "e1" / "verdicts" / "rule.jsonl"
    kept = list(read(path, Verdict))
    write_rows(path, [*kept, Verdict(id="nobody", verdict="right")])
    with pytest.raises(UserError, match=r"rule\.jsonl: the verdict on 'nobody' has no response"):
        collect(run, settings)
    write_rows(path, kept)
    responses = path.parents[1] / "responses.jsonl"
    stray = next(iter(read(responses, Response))).model_copy(update={"id": "stray"})
    write_rows(responses, [*read(responses, Response), stray])
    write_rows(path, [*kept, Verdict(id="stray", verdict="right")])
    with pytest.raises(UserError, match="'stray' is no question of mmmath"):
        collect(run, settings)


def test_nothing_evaluated_is_an_empty_table(tmp_path: Path, settings: ReportSettings) -> None:
    results = Results.load(tmp_path, arm_infos(), settings, comparable=True)
    assert results.frame.empty
    assert results.evaluated == []
    assert results.benchmarks == []


def test_logs_follow_shared_stages(run: Path) -> None:
    arms = arm_infos()
    shared, own = training_log(run, arms["ptst-4kx16-4kx16"]), training_log(run, arms["vision-r1"])
    assert list(shared["step"]) == list(range(1, 41))
    first = [log[log["stage"] == 1]["reward"].to_list() for log in (shared, own)]
    assert first[0] == first[1]
    assert {"outcome_right", "outcome_judge_error"} <= set(own.columns)


def test_smoothing_keeps_stages_apart(run: Path) -> None:
    log = training_log(run, arm_infos()["vision-r1"])
    points = smoothed(log, "mean_length", 7, 40)  # windows of 6 steps do not divide the stages of 20
    assert list(points[points["stage"] == 1]["step"]) == [6, 12, 18, 20]
    assert points["value"].iloc[0] == pytest.approx(log["mean_length"].iloc[:6].mean())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"schema_version": 2, "stage": 1, "step": 1}, "step 1 stands twice"),
        ({"schema_version": 2, "stage": 2, "step": 41}, "`stage` 1"),
        ({"schema_version": 2, "stage": 1}, "`step`"),
        ({"stage": 1, "step": 41}, "a step was an update and not a rollout"),
    ],
)
def test_bad_logs_are_refused(fresh_run: Callable[..., Path], row: dict[str, int], message: str) -> None:
    run = fresh_run()
    path = run / "train" / "zero" / "s1" / "stage1" / "steps.jsonl"
    with path.open("a", encoding="utf-8") as stream:
        stream.write(str(row).replace("'", '"') + "\n")
    with pytest.raises(UserError, match=rf"steps\.jsonl:41: .*{message}"):
        training_log(run, arm_infos()["zero"])


def test_trajectory_goes_from_start_to_end(results: Results) -> None:
    points = trajectory(results.headline, results.arms["vision-r1"], results.settings, BENCHMARKS)
    assert [(point.step, point.stage) for point in points] == [(0, 0), (10, 1), (20, 1), (30, 2), (40, 2)]
    start, end = results.average("ci", BENCHMARKS), results.average("vision-r1", BENCHMARKS)
    assert (points[0].estimate, points[-1].estimate) == (start, end)
    shared = trajectory(results.headline, results.arms["ptst-4kx16-4kx16"], results.settings, BENCHMARKS)
    assert [point.step for point in shared] == [0, 10, 20, 40]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_grade_and_the_tables_print_the_same_scores(run: Path, results: Results, benchmark: str) -> None:
    """Both aggregate one folder's verdicts: overall score, sub-scores and their counts, cell by cell."""
    facts = lookup.facts(benchmark)
    questions = read_benchmark(facts, run / "problems" / benchmark)
    path = run / "eval" / "long_s1" / benchmark / "single" / "e1" / "verdicts" / "rule.jsonl"
    printed = {
        "overall" if score.group == "overall" else subset_name(facts, score.group, score.name): score
        for score in aggregate(facts, read(path, Verdict), questions)
    }
    rows = results.final("long")
    rows = rows[(rows["benchmark"] == benchmark) & (rows["eval_seed"] == 1)]
    table = score_table(rows, results.settings)
    table = table[table["metric"] == "accuracy_%"].set_index("subset")
    assert set(table.index) == set(printed)
    for name, score in printed.items():
        row = table.loc[name]
        assert (row["value"], row["n"]) == (pytest.approx(score.value), score.n - score.n_undecided)
        assert (row["bound_low"], row["bound_high"]) == pytest.approx((score.low, score.high))


def test_one_rule_says_which_attempt_counts(fresh_run: Callable[..., Path], settings: ReportSettings) -> None:
    """The evaluator, `grade` and the tables take the same attempt, in whatever order a file has them."""
    run = fresh_run()
    folder = next(folder for folder in eval_folders(run) if folder.benchmark == "mmmath" and folder.model == "ci_s1")
    (folder.path / "verdicts" / "strict.jsonl").unlink()
    replies = {0: "cut", 1: "cut again", 2: "so <answer> Final Answer:7 </answer>"}
    first = next(iter(read(folder.path / "responses.jsonl", Response)))
    attempts = [first.model_copy(update={"attempt": number, "response": text}) for number, text in replies.items()]
    verdicts = [Verdict(id=first.id, verdict="right" if number == 2 else "wrong", attempt=number) for number in replies]
    questions = read_benchmark(lookup.facts("mmmath"), run / "problems" / "mmmath")
    for order in permutations(range(3)):
        write_rows(folder.path / "responses.jsonl", [attempts[k] for k in order])
        write_rows(folder.path / "verdicts" / "rule.jsonl", [verdicts[k] for k in order])
        chosen = next(select([attempts[k] for k in order], "paper"))
        assert chosen.attempt == last_responses(folder.path / "responses.jsonl")[first.id].attempt == 2
        assert attempt_of(last_verdicts(folder.path / "verdicts" / "rule.jsonl")[first.id]) == 2
        score = aggregate(lookup.facts("mmmath"), [verdicts[k] for k in order], questions)[0]
        assert (score.n, score.n_right) == (1, 1)
        frame = collect(run, settings)
        rows = frame[(frame["model"] == "ci_s1") & (frame["benchmark"] == "mmmath") & (frame["profile"] == "rule")]
        assert rows[rows["eval_seed"] == folder.eval_seed]["correct"].tolist() == [True]
