"""Gains, gaps, bounds and places: what the paper calculated from its scores, against the same of ours."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.published import PublishedValue, Target, ValueClass, load_values
from vr1repro.reporting.claims.comparison import Comparison, compare_published, gets_verdict
from vr1repro.reporting.claims.contrast import our_mean
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.claims.statements import judge_bound, judge_rank, place_among
from vr1repro.reporting.run.combined import Combination, Term, combination, measure_combination
from vr1repro.reporting.run.results import Missing, Results
from vr1repro.reporting.run.scores import COLUMNS, gain
from vr1repro.reporting.run.scores_by_seed import Draws
from vr1repro.reporting.statistics.parts import Part

BY_ID = {value.id: value for value in load_values()}
SIX = "v1-v4.abstract.vision-r1-7b.average-over-math-benchmarks.improvement-pct-approx"
GAP = "v1-v4.abstract.vision-r1-7b.mathvista.gap-to-openai-o1.pp"
DELTA = "v4.table-1-delta-row.vision-r1-7b-vs-qwen2-5-vl-7b.mathvista.all.delta-pp"
OVER_TEN = "v4.sec-4-1.vision-r1-7b.mathvista-geo-alg-gps.average-vs-base.improvement-pct-over"
TOP_ONE = "v4.sec-4-1.vision-r1-7b.mathverse.in-table-1.rank"
TOP_TWO = "v4.sec-4-1.vision-r1-7b.mm-math.in-table-1.rank"
SKILLS = (("geo", "gps"), ("alg",), ("gps",), ())
THREE = {"mathvista": 73.5, "mathverse": 52.4, "mmmath": 40.2}
BASE = {"mathvista": 68.1, "mathverse": 46.7, "mmmath": 34.1}


def answers(arm: str, benchmark: str, share: float, *, train_seed: int, eval_seed: int, profile: str) -> pd.DataFrame:
    """A benchmark's 1000 questions, of which a share is right in every skill alike, and each seed differs in a few."""
    n = 1000
    generator = np.random.default_rng([train_seed, eval_seed, len(arm), len(benchmark)])
    right = np.zeros(n, dtype=bool)
    for skill in range(len(SKILLS)):
        places = np.arange(skill, n, len(SKILLS))
        right[places[: round(len(places) * share / 100) + int(generator.integers(-1, 2))]] = True
    rows = {name: [None] * n for name in COLUMNS} | {
        "arm": arm,
        "train_seed": train_seed,
        "final": True,
        "benchmark": benchmark,
        "protocol": "single",
        "profile": profile,
        "eval_seed": eval_seed,
        "id": [str(k) for k in range(n)],
        "cluster": [str(k) for k in range(n)],
        "stratum": "all",
        "subsets": [SKILLS[k % len(SKILLS)] for k in range(n)],
        "correct": list(right),
        "n_tokens": 100.0,
    }
    return pd.DataFrame(rows)


def results_of(
    ours: Mapping[str, float], base: Mapping[str, float] | None = None, *, train_seeds: int = 1, profile: str = "rule"
) -> Results:
    sides = {"vision-r1": (ours, range(1, train_seeds + 1)), "base": (base or {}, [0])}
    frames = [
        answers(arm, benchmark, share, train_seed=seed, eval_seed=e, profile=profile)
        for arm, (shares, seeds) in sides.items()
        for benchmark, share in shares.items()
        for seed in seeds
        for e in range(1, 5)
    ]
    return Results(
        run=Path("nowhere"),
        arms=arm_infos(),
        settings=ReportSettings(),
        comparable=True,
        frame=pd.concat(frames, ignore_index=True),
    )


def compared(key: str, results: Results) -> Comparison:
    return compare_published([BY_ID[key]], results)[0]


def test_what_gets_a_verdict() -> None:
    kinds = {kind: sum(gets_verdict(v) for v in BY_ID.values() if v.value_class is kind) for kind in ValueClass}
    assert kinds == dict.fromkeys(ValueClass, 0) | {ValueClass.CLAIM: 162, ValueClass.DERIVED: 62}
    gains = [value for value in BY_ID.values() if value.metric == "delta_pp"]
    assert len(gains) >= 45
    assert all(map(gets_verdict, gains))


def test_every_sum_is_of_arms_on_the_same_questions() -> None:
    """The interval over questions pairs them, so every term of a sum has the same names."""
    for value in BY_ID.values():
        if value.target is None and value.value_class is ValueClass.DERIVED and (sum_of := combination(value)):
            assert len({term.names for term in sum_of.terms}) == 1, value.id


@pytest.mark.parametrize(
    ("key", "terms", "constant"),
    [
        (DELTA, (Term("vision-r1", ("mathvista",), 1.0), Term("base", ("mathvista",), -1.0)), 0.0),
        (GAP, (Term("vision-r1", ("mathvista",), -1.0),), 73.9),
        (SIX, (Term("vision-r1", tuple(THREE), 1.0), Term("base", tuple(THREE), -1.0)), 0.0),
        ("v1.sec-4-2.vision-r1-llamav-ci-11b-vs-mulberry-llama-11b.mm-math.delta-pp",
         (Term("llama-ci", ("mmmath",), 1.0),), -18.7),
    ],
)  # fmt: skip
def test_what_a_statement_is_a_sum_of(key: str, terms: tuple[Term, ...], constant: float) -> None:
    assert combination(BY_ID[key]) == Combination(terms, constant)


def test_a_sum_of_gains_is_taken_apart() -> None:
    both = combination(BY_ID["v4.sec-1.vision-r1-32b-72b.average-vs-base.improvement-pct-approx"])
    assert both is not None
    assert {term.arm: term.weight for term in both.terms} == {
        "vision-r1-32b": 0.5, "base-32b": -0.5, "vision-r1-72b": 0.5, "base-72b": -0.5,
    }  # fmt: skip


@pytest.mark.parametrize("key", [SIX, DELTA])
@pytest.mark.parametrize(
    ("shift", "train_seeds", "label"),
    [
        (0.0, 1, Label.WEIGHTS_ONLY),
        (0.0, 4, Label.REPRODUCED),
        (-6.0, 2, Label.WEIGHTS_ONLY),
        (-6.0, 4, Label.NOT_REPRODUCED),
    ],
)
def test_a_gain_is_judged_as_a_score_is(key: str, shift: float, train_seeds: int, label: Label) -> None:
    ours = {name: share + shift for name, share in THREE.items()}
    row = compared(key, results_of(ours, BASE, train_seeds=train_seeds))
    assert row.judgement.label is label, row.judgement.reason
    assert row.margin == (2.0 if key == SIX else 3.0)
    assert row.ours is not None
    assert row.ours.low < row.ours.value < row.ours.high


def test_the_interval_is_that_of_the_paired_difference() -> None:
    results = results_of(THREE, BASE)
    row = compared(DELTA, results)
    paired = gain(*(results.final(arm)[lambda t: t["benchmark"] == "mathvista"] for arm in ("vision-r1", "base")),
                  results.settings).estimate  # fmt: skip
    assert row.ours is not None
    assert (row.ours.value, row.ours.low, row.ours.high) == pytest.approx((paired.value, paired.low, paired.high))
    mean = compared(SIX, results).ours
    assert mean is not None
    gains = [THREE[name] - BASE[name] for name in THREE]
    assert mean.value == pytest.approx(sum(gains) / 3, abs=0.5)


@pytest.mark.parametrize(
    ("mathvista", "label"), [(73.5, Label.REPRODUCED), (66.0, Label.NOT_REPRODUCED), (80.0, Label.NOT_REPRODUCED)]
)
def test_the_gap_to_a_printed_score_needs_no_run_of_that_model(mathvista: float, label: Label) -> None:
    row = compared(GAP, results_of({"mathvista": mathvista}, train_seeds=4))
    assert row.judgement.label is label
    assert row.ours is not None
    assert row.ours.value == pytest.approx(73.9 - mathvista, abs=0.3)


@pytest.mark.parametrize(
    ("gain_of_ours", "label"), [(15.0, Label.REPRODUCED), (4.0, Label.NOT_REPRODUCED), (9.7, Label.CANNOT_TELL)]
)
def test_over_ten_is_a_bound(gain_of_ours: float, label: Label) -> None:
    row = compared(OVER_TEN, results_of({"mathvista": 50 + gain_of_ours}, {"mathvista": 50.0}, train_seeds=4))
    assert row.judgement.label is label, row.judgement.reason
    assert row.ours is not None
    assert row.ours.value == pytest.approx(gain_of_ours, abs=0.6)


@pytest.mark.parametrize(
    ("key", "benchmark", "score", "label", "place"),
    [
        (TOP_ONE, "mathverse", 58.0, Label.REPRODUCED, 1),
        (TOP_ONE, "mathverse", 40.0, Label.NOT_REPRODUCED, 5),
        (TOP_TWO, "mmmath", 40.2, Label.REPRODUCED, 2),
        (TOP_TWO, "mmmath", 50.0, Label.NOT_REPRODUCED, 1),
    ],
)
def test_places_among_the_printed_scores(
    key: str, benchmark: str, score: float, label: Label, place: int | None
) -> None:
    row = compared(key, results_of({benchmark: score}, train_seeds=3))
    assert row.judgement.label is label, row.judgement.reason
    assert row.ours is not None
    assert place is None or row.ours.value == place
    assert row.ours.low <= row.ours.value <= row.ours.high


def test_graders_that_move_both_sides_alike_move_no_gain() -> None:
    plain = results_of(THREE, BASE)
    easier = results_of(*({name: share + 3 for name, share in side.items()} for side in (THREE, BASE)), profile="other")
    both = replace(plain, frame=pd.concat([plain.frame, easier.frame]), _measured={})
    measured = measure_combination(both, combination(BY_ID[DELTA]) or Combination((), 0.0))
    assert not isinstance(measured, Missing)
    assert set(measured.scorers) == {("single", "rule"), ("single", "other")}
    sums = [our_mean(draws) for draws in measured.scorers.values()]
    assert abs(sums[0] - sums[1]) < 0.6  # the plant rounds each skill
    score = both.measure(Target(arm="vision-r1", benchmark="mathvista", quantity="accuracy"))
    assert not isinstance(score, Missing)
    means = {profile: our_mean(draws) for (_, profile), draws in score.scorers.items()}
    assert means["other"] - means["rule"] == pytest.approx(3, abs=0.4)


@pytest.mark.parametrize(
    ("results", "reason", "command"),
    [
        (results_of(THREE), "Base: not evaluated on mathvista", "snakemake base"),
        (replace(results_of(THREE, BASE), arms={}), "no arm `vision-r1` in this config", None),
    ],
)
def test_a_gain_without_its_base_says_which_run_it_lacks(results: Results, reason: str, command: str | None) -> None:
    judgement = compared(DELTA, results).judgement
    assert judgement.label is Label.NOT_RUN
    assert judgement.reason == reason
    assert judgement.command == command


def test_micro_gets_no_verdict_on_gains_either() -> None:
    row = compared(SIX, replace(results_of(THREE, BASE), comparable=False))
    assert row.judgement.label is Label.NOT_COMPARABLE
    assert row.ours is not None


@pytest.mark.parametrize(
    ("draws", "label"),
    [
        (Draws(scores={1: [60.0]}), Label.CANNOT_TELL),
        (Draws(scores={1: [60.0, 61.0], 2: [60.0, 61.0]}, sampled=Part(0.3, 500)), Label.WEIGHTS_ONLY),
    ],
)
def test_too_few_draws_judge_neither_bound_nor_place(draws: Draws, label: Label) -> None:
    settings = ReportSettings()
    assert judge_bound(10, draws, settings).label is label
    assert judge_rank(1, [50.0], draws, settings).label is label


def test_a_place_on_the_edge_cannot_be_told() -> None:
    draws = Draws(scores={1: [52.3], 2: [52.6], 3: [52.4]})
    judgement = judge_rank(1, [52.4, 40.0], draws, ReportSettings())
    assert judgement.label is Label.CANNOT_TELL
    assert "places 1 to 2 of 3" in judgement.reason


def test_equal_scores_share_the_better_place() -> None:
    assert place_among(50.0, [50.0, 60.0, 40.0]) == 2


def test_a_printed_model_without_an_arm_of_ours_is_a_constant() -> None:
    value: PublishedValue = BY_ID[GAP].model_copy(update={"arithmetic": None})
    assert combination(value) is None
    assert math.isclose(BY_ID["v1.table-1.openai-o1.mathvista.all.accuracy-pct"].number, 73.9)
