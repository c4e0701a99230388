"""The rule for the judgement of a claim: table of cases, and its error rates by simulation."""

import math

import numpy as np
import pytest

from vr1repro.reporting.claims.judgement import Label, judge, not_run, predict

STEADY = {0: [70.0, 70.5, 71.0, 70.2, 70.8, 70.4, 70.6, 70.5]}  # mean 70.5, sd 0.32


@pytest.mark.parametrize(
    ("published", "scores", "band", "label"),
    [
        (70.7, STEADY, (0.0, 0.0), Label.REPRODUCED),
        (73.5, STEADY, (0.0, 0.0), Label.NOT_REPRODUCED),
        (67.0, STEADY, (0.0, 0.0), Label.NOT_REPRODUCED),
        (72.5, STEADY, (0.0, 2.0), Label.CONSISTENT),
        (72.5, STEADY, (-2.0, 0.0), Label.NOT_REPRODUCED),
        (68.5, STEADY, (-2.0, 0.0), Label.CONSISTENT),
        # Wide: underpowered whatever the value, inside or far outside.
        (70.5, {0: [60.0, 80.0, 65.0]}, (0.0, 0.0), Label.UNDERPOWERED),
        (10.0, {0: [60.0, 80.0, 65.0]}, (0.0, 0.0), Label.UNDERPOWERED),
        # One seed has no spread: no verdict, not even far outside.
        (10.0, {0: [70.0]}, (0.0, 0.0), Label.UNDERPOWERED),
        (70.0, {1: [70.0]}, (0.0, 0.0), Label.UNDERPOWERED),
    ],
)
def test_rule(published: float, scores: dict[int, list[float]], band: tuple[float, float], label: Label) -> None:
    judgement = judge(published, scores, margin=3.0, rounding=0.05, band=band)
    assert judgement.label is label
    assert judgement.reason
    if label is Label.NOT_REPRODUCED:
        assert judgement.power is not None
        assert f"{judgement.power:.0%}" in judgement.reason


def test_one_seed_says_so() -> None:
    assert "one evaluation seed has no spread" in judge(1.0, {0: [1.0]}, margin=3).reason


def test_rounding_widens() -> None:
    edge = predict(STEADY).mean + predict(STEADY).half_width + 0.04
    assert judge(edge, STEADY, margin=3.0).label is Label.NOT_REPRODUCED
    assert judge(edge, STEADY, margin=3.0, rounding=0.05).label is Label.REPRODUCED


def test_prediction_interval_by_hand() -> None:
    """x0 ~ m +- t(K-1) s sqrt(1 + 1/K): K = 4, s = 1, t(3) = 3.182446."""
    scores = [0.0, 0.0, 0.0, 2.0]
    found = predict({0: scores})
    assert found.half_width == pytest.approx(3.182446 * 1.0 * math.sqrt(1.25), rel=1e-5)
    assert found.unit == "evaluation seed"


def test_training_seeds_are_the_unit_where_there_are_several() -> None:
    found = predict({1: [70.0, 72.0], 2: [71.0, 73.0], 3: [60.0, 62.0]})
    assert (found.draws, found.unit) == (3, "training seed")
    # means 71, 72, 61: between variance 37; within variance 2, of which a mean of two seeds lacks half.
    assert found.scale == pytest.approx(math.sqrt(37 * (1 + 1 / 3) + 1.0))


@pytest.mark.parametrize(("margin", "band"), [(0.0, (0.0, 0.0)), (1.0, (0.5, 1.0)), (1.0, (-1.0, -0.5))])
def test_impossible_margins_and_bands(margin: float, band: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="margin"):
        judge(70.0, STEADY, margin=margin, band=band)


def test_no_score_is_not_run() -> None:
    with pytest.raises(ValueError, match="at least one"):
        judge(70.0, {}, margin=1.0)
    assert not_run("no weights", "snakemake zero").command == "snakemake zero"


@pytest.mark.parametrize("seeds", [3, 8])
def test_false_alarms_are_at_most_five_percent(seeds: int) -> None:
    """2000 studies whose published value is one more draw; wide margin, so that the interval alone decides."""
    generator, wrong, studies = np.random.default_rng(seeds), 0, 2000
    for _ in range(studies):
        draws = generator.normal(70, 1, seeds + 1)
        wrong += judge(draws[0], {0: list(draws[1:])}, margin=1e6).label is Label.NOT_REPRODUCED
    assert wrong / studies <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)
    assert wrong / studies >= 0.05 - 3 * math.sqrt(0.05 * 0.95 / studies)


def test_power_to_see_three_points_is_what_it_says() -> None:
    """Eight seeds of sd 0.8: the stated power of a 3-point shift is close to the simulated one, and high."""
    generator, seen, stated, studies = np.random.default_rng(9), 0, [], 600
    for _ in range(studies):
        draws = generator.normal(70, 0.8, 9)
        judgement = judge(draws[0] + 3.0, {0: list(draws[1:])}, margin=3.0)
        seen += judgement.label is Label.NOT_REPRODUCED
        stated.append(judgement.power)
    assert seen / studies > 0.75
    assert np.mean(stated) == pytest.approx(seen / studies, abs=0.1)


def test_detectable_has_eighty_percent_power() -> None:
    judgement = judge(70.0, STEADY, margin=3.0)
    assert judgement.detectable is not None
    assert judge(70.0, STEADY, margin=judgement.detectable).power == pytest.approx(0.8, abs=0.001)


def test_identical_seeds_have_no_width() -> None:
    assert judge(70.0, {0: [70.0, 70.0]}, margin=3.0).label is Label.REPRODUCED
    assert judge(70.2, {0: [70.0, 70.0]}, margin=3.0, rounding=0.05).label is Label.NOT_REPRODUCED
