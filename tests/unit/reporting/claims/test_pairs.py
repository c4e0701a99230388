"""Arms against each other, the training seed as the unit, Holm, power, and where variance comes from."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.claims.pairs import MEAN, arm_pairs
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.variance import variance_split
from vr1repro.reporting.statistics import power
from vr1repro.reporting.statistics.paired import holm, paired_difference, seed_difference
from vr1repro.reporting.tables import render
from vr1repro.reporting.tables.our_tables import contradictions_table, pairs_table, variance_table

FIRST, SECOND = {1: 60.0, 2: 62.0, 3: 65.0}, {1: 58.0, 2: 59.0, 3: 60.5}


@pytest.mark.parametrize(
    ("second", "trained", "tested", "method"),
    [
        (SECOND, (True, True), stats.ttest_rel(list(FIRST.values()), list(SECOND.values())), "paired training seeds"),
        (
            {4: 58.0, 5: 59.0, 6: 60.5},
            (True, True),
            stats.ttest_ind(list(FIRST.values()), list(SECOND.values()), equal_var=False),
            "Welch",
        ),
        ({0: 58.0}, (True, False), stats.ttest_1samp(list(FIRST.values()), 58.0), "fixed model"),
    ],
)
def test_seeds_are_compared_as_scipy_does(
    second: dict[int, float], trained: tuple[bool, bool], tested: object, method: str
) -> None:
    found = seed_difference(FIRST, second, trained=trained)
    interval = tested.confidence_interval(0.95)  # type: ignore[attr-defined]
    assert found.p_value == pytest.approx(tested.pvalue)  # type: ignore[attr-defined]
    assert interval.high - interval.low == pytest.approx(found.high - found.low)
    assert found.df == pytest.approx(tested.df)  # type: ignore[attr-defined]
    assert found.low < found.value < found.high
    assert method in found.method
    assert found.seeds == 3


@pytest.mark.parametrize(
    ("first", "second", "trained", "seeds"),
    [
        ({1: 60.0, 2: 62.0}, {1: 58.0, 2: 59.0}, (True, True), 2),
        ({1: 60.0}, {1: 58.0}, (True, True), 1),
        (FIRST, {1: 58.0}, (True, True), 1),
        ({0: 60.0}, {0: 58.0}, (False, False), 0),
    ],
)
def test_under_three_seeds_there_is_a_range_and_no_p_value(
    first: dict[int, float], second: dict[int, float], trained: tuple[bool, bool], seeds: int
) -> None:
    found = seed_difference(first, second, trained=trained)
    assert found.p_value is None
    assert math.isinf(found.low)
    assert found.seeds == seeds
    assert "no p value" in found.method
    assert found.smallest <= found.value <= found.largest
    assert power.detectable(found.stderr, found.df, 0.95) == math.inf


def test_equal_seeds_differ_by_nothing() -> None:
    assert seed_difference(FIRST, FIRST).p_value == 1.0
    assert seed_difference({1: 2.0, 2: 2.0, 3: 2.0}, {1: 1.0, 2: 1.0, 3: 1.0}).p_value == 0.0


def test_holm_by_hand_skips_what_has_no_p_value() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([None]) == [None]
    assert holm([]) == []


def test_robust_p_agrees_with_the_permutation_and_with_the_interval() -> None:
    generator = np.random.default_rng(3)
    keys = [str(k) for k in range(300)]
    first = {key: float(generator.random() < 0.62) for key in keys}
    second = {key: float(generator.random() < 0.50) for key in keys}
    found = paired_difference(first, second, {key: key for key in keys}, draws=4000)
    assert found.robust_p == pytest.approx(found.p_value, abs=0.01)
    assert (found.robust_p < 0.05) == (found.estimate.low > 0)


def test_power_of_a_paired_comparison_is_what_simulation_gives() -> None:
    stderr, df, shift = 1.3, 40, 3.0
    generator = np.random.default_rng(5)
    observed = generator.normal(shift, stderr, 20_000)
    errors = stderr * np.sqrt(generator.chisquare(df, 20_000) / df)
    called = np.abs(observed) > stats.t.ppf(0.975, df) * errors
    assert power.power(shift, stderr, df, 0.95) == pytest.approx(called.mean(), abs=0.01)
    assert power.power(power.detectable(stderr, df, 0.95), stderr, df, 0.95) == pytest.approx(0.8, abs=1e-3)
    assert power.power(shift, math.nan, 0, 0.95) == 0.0


def test_every_pair_of_arms_is_compared(results: Results) -> None:
    pairs = arm_pairs(results)
    arms, groups = len(results.evaluated), len(results.benchmarks) + 1
    assert len(pairs) == groups * arms * (arms - 1) / 2
    best = next(p for p in pairs if (p.first, p.second, p.benchmark) == ("vision-r1", "ci", MEAN))
    assert best.questions.estimate.value > 10
    assert best.holm is not None
    assert best.holm >= best.questions.robust_p
    # One training seed in this run: nothing about the recipes, and it says so.
    assert best.training_holm is None
    assert best.says(0.95) == ("differ", "cannot tell: 1 training seed")
    family = [p for p in pairs if p.benchmark == MEAN]
    assert [p.holm for p in family] == holm([p.questions.robust_p for p in family])
    text = render.markdown(pairs_table(results, pairs))
    assert "cannot tell: 1 training seed" in text
    assert "no p value" in text


def test_variance_is_split_as_it_was_made(settings: ReportSettings) -> None:
    """400 questions, 40 trainings of sd 4 points, 3 samplings each: the parts come back."""
    generator = np.random.default_rng(11)
    skill = generator.uniform(0.2, 0.8, 400)
    effect = generator.normal(0, 0.04, 40)
    rows = [
        {"id": str(k), "cluster": str(k), "train_seed": t, "eval_seed": e, "correct": bool(u < skill[k] + effect[t])}
        for t in range(40)
        for e in range(3)
        for k, u in enumerate(generator.random(400))
    ]
    frame = pd.DataFrame(rows).assign(benchmark="mathvista", stratum="all", subsets=[()] * len(rows), protocol="single")
    frame = pd.concat([frame.assign(profile="rule"), frame.assign(profile="strict", correct=False)])
    split = variance_split(frame, settings, ["mathvista"])
    assert split is not None
    assert split.training == pytest.approx(4.0, rel=0.3)
    assert split.sampling == pytest.approx(100 * math.sqrt((skill * (1 - skill)).mean() / 400), rel=0.05)
    assert split.questions == pytest.approx(100 * skill.std(ddof=1) / 20, rel=0.05)
    mean = 100 * np.mean([row["correct"] for row in rows])
    assert split.grader == pytest.approx(mean / math.sqrt(2))  # of mean and 0
    assert split.protocol is None
    assert (split.train_seeds, split.eval_seeds, split.profiles, split.n) == (40, 3, 2, 400)


def test_one_draw_leaves_parts_unsaid(results: Results) -> None:
    page = variance_table(results)
    row = dict(zip(page.header, next(row for row in page.rows if row[:2] == ["Vision-R1", MEAN]), strict=True))
    assert row["Trained again"] == "-"  # one training seed
    assert float(row["Sampled again"]) > 0
    assert float(row["Other grader"]) > 0
    assert row["Other protocol"] == "-"


def test_known_disagreements_are_shown_with_their_numbers() -> None:
    page = contradictions_table()
    assert len(page.rows) >= 14
    text = render.markdown(page)
    assert "8K (v1" in text
    assert "4K (v4" in text
    assert "51.3 (v1, Table 3" in text
    assert "54.4 (README@c43f080" in text  # found by value, not listed
