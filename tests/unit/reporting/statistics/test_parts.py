"""Intervals of a variance in parts: by hand, and their coverage by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from vr1repro.reporting.statistics import parts as study
from vr1repro.reporting.statistics.parts import Part

DECLARED = Part(1.0, math.inf)


@pytest.mark.parametrize("level", [0.95, 0.975])
def test_one_part_is_students_interval(level: float) -> None:
    assert study.reach([Part(4.0, 5)], level) == pytest.approx(2 * stats.t.ppf(level, 5))
    assert study.reach([DECLARED], level) == pytest.approx(stats.norm.ppf(level))


def test_two_parts_each_have_their_own_quantile() -> None:
    expected = math.sqrt(stats.t.ppf(0.975, 2) ** 2 * 0.5 + stats.norm.ppf(0.975) ** 2)
    assert study.reach([Part(0.5, 2), DECLARED], 0.975) == pytest.approx(expected)
    assert study.degrees([Part(0.5, 2), DECLARED]) == pytest.approx(1.5**2 / (0.25 / 2))


@pytest.mark.parametrize("distance", [-2.0, -0.3, 0.0, 0.7, 2.5])
def test_a_tail_is_the_level_that_reaches_so_far(distance: float) -> None:
    assert study.tail(distance, [Part(1.0, 7)]) == pytest.approx(float(stats.t.sf(distance, 7)), abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("df", [2, 7])
def test_coverage_is_never_below_the_level(share: float, df: int) -> None:
    """The shares of the true parts do not matter; where one is all, the coverage is the level."""
    generator, studies = np.random.default_rng([df, round(10 * share)]), 4000
    difference = generator.normal(0, 1, studies)
    first = share * generator.chisquare(df, studies) / df
    second = (1 - share) * generator.chisquare(400, studies) / 400
    covered = np.mean(
        [
            abs(d) <= study.reach([Part(a, df), Part(b, 400)], 0.975)
            for d, a, b in zip(difference, first, second, strict=True)
        ]
    )
    error = 3 * math.sqrt(0.05 * 0.95 / studies)
    assert covered >= 0.95 - error
    if share in (0.0, 1.0):
        assert covered <= 0.95 + error


def test_chances_of_known_parts_are_the_normals() -> None:
    different = study.chance_called_different(2.0, [DECLARED], 0.95)
    assert different == pytest.approx(stats.norm.sf(1.96 - 2) + stats.norm.cdf(-1.96 - 2), abs=1e-3)
    equal = study.chance_called_equal(0.0, [DECLARED], 0.95, margin=3.0)
    assert equal == pytest.approx(1 - 2 * stats.norm.sf(3 - 1.645), abs=1e-3)
    assert study.chance_called_equal(0.0, [DECLARED], 0.95, margin=1.0) == 0.0


def test_detectable_has_eighty_percent_power_and_slack_adds_to_it() -> None:
    parts = [Part(0.4, 3), DECLARED]
    smallest = study.detectable(parts, 0.95)
    assert study.chance_called_different(smallest, parts, 0.95) == pytest.approx(0.8, abs=1e-3)
    assert study.detectable(parts, 0.95, slack=1.5) == pytest.approx(smallest + 1.5, abs=0.02)


def test_no_variance_is_certainty() -> None:
    nothing = [Part(0.0, math.inf)]
    assert study.chance_called_different(0.1, nothing, 0.95) == 1.0
    assert study.chance_called_equal(0.0, nothing, 0.95, margin=1.0) == 1.0
    assert study.tail(0.1, nothing) == 0.0
