"""The rule for the judgement of a claim: cases by hand, scorers that disagree, and its error rates by simulation."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.claims.contrast import Basis, difference_from, variance_parts
from vr1repro.reporting.claims.judgement import Judgement, Label, judge, not_run, over_scorers
from vr1repro.reporting.run.scores_by_seed import Draws
from vr1repro.reporting.statistics.parts import Part, reach

SETTINGS = ReportSettings()
DECLARED = ReportSettings(training_sd=1.0, training_sd_source="a test")
NOTHING = Part(0.0, math.inf)
SAMPLED = Part(0.25, 600.0)  # half a point a run
HEADLINE, OTHER = ("single", "rule"), ("single", "official")


def released(*scores: float, fixed: Part | None = SAMPLED) -> Draws:
    """The published weights, asked once a score."""
    return Draws(scores={0: list(scores)}, sampled=NOTHING, fixed=fixed, squares=0.0)


def trained(*trainings: list[float], sampled: Part | None = SAMPLED) -> Draws:
    return Draws(scores=dict(enumerate(trainings, start=1)), sampled=sampled)


STEADY = released(70.0, 70.5, 71.0, 70.2, 70.8, 70.4, 70.6, 70.5)  # mean 70.5
THREE = trained([70.0, 70.4], [70.6, 70.2], [70.9, 70.5])
WILD = trained([60.0, 61.0], [80.0, 79.0], [65.0, 66.0])


@pytest.mark.parametrize(
    ("published", "draws", "settings", "label"),
    [
        (70.7, STEADY, SETTINGS, Label.REPRODUCED),
        (72.8, STEADY, SETTINGS, Label.NOT_REPRODUCED),  # 2.3 apart: not inside 3 less 0.87, and outside 1.04
        (67.0, STEADY, SETTINGS, Label.NOT_REPRODUCED),
        (70.5, THREE, SETTINGS, Label.REPRODUCED),
        (77.0, THREE, SETTINGS, Label.NOT_REPRODUCED),
        (70.5, WILD, SETTINGS, Label.CANNOT_TELL),
        # No gate on the width: what is far outside even of a wide interval is not reproduced.
        (10.0, trained([60.0], [80.0], [65.0]), SETTINGS, Label.NOT_REPRODUCED),
        # One or two trainings speak about themselves, unless training again was declared.
        (70.5, trained([70.0, 70.4, 70.9]), SETTINGS, Label.WEIGHTS_ONLY),
        (90.0, trained([70.0, 70.4], [70.6, 70.2]), SETTINGS, Label.WEIGHTS_ONLY),
        (70.5, trained([70.0, 70.4], [70.6, 70.2]), DECLARED, Label.REPRODUCED),
        (90.0, trained([70.0, 70.4, 70.9]), DECLARED, Label.NOT_REPRODUCED),
        # One greedy run has no spread: no verdict, not even far outside.
        (10.0, released(70.0, fixed=None), SETTINGS, Label.CANNOT_TELL),
        (10.0, trained([70.0], sampled=None), SETTINGS, Label.CANNOT_TELL),
    ],
)
def test_rule(published: float, draws: Draws, settings: ReportSettings, label: Label) -> None:
    judgement = judge(published, draws, settings, margin=3.0, rounding=0.05)
    assert judgement.label is label, judgement.reason
    assert (judgement.of_weights is not None) == (label is Label.WEIGHTS_ONLY)
    assert bool(judgement.would_tell) == (label in (Label.CANNOT_TELL, Label.WEIGHTS_ONLY))
    assert "band" not in judgement.reason


def test_a_difference_by_hand() -> None:
    """Three trainings of two runs: B = 0.0925 is the variance of their means 70.2, 70.4, 70.7 around 70.43."""
    between = ((70.2 - 70.4333333) ** 2 + (70.4 - 70.4333333) ** 2 + (70.7 - 70.4333333) ** 2) / 2
    parts = variance_parts(THREE, None, 1)
    assert [part.variance for part in parts] == pytest.approx([between * (1 + 1 / 3), 0.25 * (1 - 1 / 2)])
    assert [part.df for part in parts] == [2, 600]
    difference = difference_from(70.0, THREE, SETTINGS)
    half = math.sqrt(4.302653**2 * between * 4 / 3 + 1.963926**2 * 0.125)  # t(2) and t(600) at 97.5 percent
    assert (difference.value, difference.high - difference.value) == pytest.approx((0.4333333, half), rel=1e-5)
    assert (difference.basis, difference.trainings, difference.runs) == (Basis.MEASURED, 3, 2)


@pytest.mark.parametrize(
    ("draws", "sd", "published_draws", "variance"),
    [
        (released(70.0, 70.2), None, 1, 0.25 * (1 / 2 + 1)),
        (released(70.0, 70.2), None, 4, 0.25 * (1 / 2 + 1 / 4)),
        (released(70.0, 70.2), None, None, 0.25 / 2),
        (trained([70.0, 70.2], [70.1, 70.3]), 1.0, 1, 0.25 * (1 / 4 + 1) + 1.0 * (1 + 1 / 2)),
        # A gain: the start adds its own sampling, and half of the trained side's training is not there twice.
        (replace(trained([2.0, 2.2]), fixed=Part(0.5, 900)), 1.0, 1, 0.25 * 1.5 + 0.5 * 1.5 + 1.0 * 2),
        (replace(trained([2.0, 2.2]), squares=2.0), 1.0, 1, 0.25 * 1.5 + 2.0 * 2),
    ],
)
def test_variance_by_hand(draws: Draws, sd: float | None, published_draws: int | None, variance: float) -> None:
    assert sum(part.variance for part in variance_parts(draws, sd, published_draws)) == pytest.approx(variance)


def test_seeds_that_differ_by_more_than_sampling_allows_speak_for_themselves() -> None:
    (part,) = variance_parts(released(60.0, 80.0, 65.0), None, None)
    assert (part.variance, part.df) == (pytest.approx(108.3333 / 3, rel=1e-4), 2)


def test_a_gain_whose_start_ran_once_cannot_be_told() -> None:
    judgement = judge(2.0, replace(THREE, fixed=None), SETTINGS, margin=3.0)
    assert judgement.label is Label.CANNOT_TELL


def test_rounding_is_on_nobodys_side() -> None:
    edge = reach(variance_parts(STEADY, None, 1), 0.975)
    assert judge(70.5 + edge + 0.04, STEADY, SETTINGS, margin=0.1).label is Label.NOT_REPRODUCED
    assert judge(70.5 + edge + 0.04, STEADY, SETTINGS, margin=0.1, rounding=0.05).label is Label.CANNOT_TELL
    inside = 3 - reach(variance_parts(STEADY, None, 1), 0.95)
    assert judge(70.5 + inside - 0.04, STEADY, SETTINGS, margin=3.0).label is Label.REPRODUCED
    assert judge(70.5 + inside - 0.04, STEADY, SETTINGS, margin=3.0, rounding=0.05).label is not Label.REPRODUCED


@pytest.mark.parametrize("published", [69.0, 70.5, 71.2, 72.6, 74.0])
def test_p_values_say_what_the_label_says(published: float) -> None:
    judgement = judge(published, STEADY, SETTINGS, margin=3.0, rounding=0.05)
    assert judgement.p_different is not None
    assert judgement.p_equal is not None
    assert (judgement.p_equal <= 0.05) == (judgement.label is Label.REPRODUCED)
    if judgement.label is Label.NOT_REPRODUCED:
        assert judgement.p_different < 0.05


def test_what_would_tell_tells() -> None:
    judgement = judge(72.0, released(70.0, 71.5, fixed=Part(1.2, 900)), SETTINGS, margin=3.0)
    assert judgement.label is Label.CANNOT_TELL
    runs = int(judgement.would_tell.split()[0])
    more = judge(71.0, released(*[70.75] * runs, fixed=Part(1.2, 900)), SETTINGS, margin=3.0)
    assert more.chance_equal is not None
    assert more.chance_equal > 0.5
    wide = judge(71.0, released(70.0, 71.5, fixed=Part(9.0, 900)), SETTINGS, margin=3.0)
    assert wide.would_tell.startswith("nothing: the published number's own error")


def test_an_impossible_margin() -> None:
    with pytest.raises(ValueError, match="margin"):
        judge(70.0, STEADY, SETTINGS, margin=0.0)


def test_no_score_is_not_run() -> None:
    with pytest.raises(ValueError, match="at least one"):
        judge(70.0, Draws(scores={}), SETTINGS, margin=1.0)
    assert not_run("no weights", "snakemake zero").command == "snakemake zero"


def of_scorers(published: float, headline: Draws, other: Draws) -> Judgement:
    def judge_one(draws: Draws, others: float) -> Judgement:
        return judge(published, draws, SETTINGS, margin=3.0, others=others)

    return over_scorers({HEADLINE: headline, OTHER: other}, HEADLINE, SETTINGS, judge_one)


def moved(draws: Draws, by: float, **fields: object) -> Draws:
    return replace(draws, scores={k: [x + by for x in v] for k, v in draws.scores.items()}, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("published", "other", "label", "words"),
    [
        (70.5, moved(STEADY, 0.3), Label.REPRODUCED, "inside the margin"),
        (70.5, moved(STEADY, 9.0), Label.DEPENDS, "single, official: +9.00"),
        (60.0, moved(STEADY, 9.0), Label.NOT_REPRODUCED, "apart"),
        # A scorer that left much without a verdict says nothing, whatever its mean.
        (70.5, moved(STEADY, 9.0, ungraded=0.02), Label.REPRODUCED, "official says nothing: 2.0% of the responses"),
        # MM-Math's official scorer reads boxes alone.
        (70.5, moved(STEADY, -70.0, unparsable=(0.99, 0.99)), Label.REPRODUCED, "official says nothing: 99.0% of the"),
        (
            70.5,
            moved(STEADY, -20.0, unread=1.0),
            Label.REPRODUCED,
            "100.0% of the responses to one benchmark could not",
        ),
        (70.5, moved(STEADY, 9.0, unparsable=(0.01, 0.3)), Label.REPRODUCED, "could not be read"),
    ],
)
def test_the_label_is_what_all_scorers_say(published: float, other: Draws, label: Label, words: str) -> None:
    judgement = of_scorers(published, STEADY, other)
    assert judgement.label is label, judgement.reason
    assert words in judgement.reason


def test_a_headline_without_verdicts_gets_none() -> None:
    judgement = of_scorers(70.5, replace(STEADY, ungraded=0.5), STEADY)
    assert (judgement.label, judgement.reason) == (
        Label.CANNOT_TELL,
        "50.0% of the responses have no verdict: no verdict",
    )


def test_what_is_said_of_weights_may_depend_on_the_scorer_too() -> None:
    one = trained([70.0, 70.4, 70.9])
    judgement = of_scorers(70.5, one, moved(one, 9.0))
    assert judgement.label is Label.WEIGHTS_ONLY
    assert judgement.reason.startswith("scorers disagree: single, rule:")


def test_power_counts_how_far_scorers_lie_apart() -> None:
    alone, apart = of_scorers(70.5, STEADY, STEADY), of_scorers(70.5, STEADY, moved(STEADY, 2.0))
    assert alone.power is not None
    assert apart.power is not None
    assert apart.power < alone.power
    assert apart.detectable == pytest.approx((alone.detectable or 0.0) + 2.0, abs=0.02)


@pytest.mark.parametrize("trainings", [3, 8])
@pytest.mark.parametrize("runs", [1, 4])
@pytest.mark.parametrize("sd", [0.0, 1.5])
def test_error_rates_and_stated_power(trainings: int, runs: int, sd: float) -> None:
    """150 studies each with no shift, the margin's and two margins', drawn from the normal model."""
    generator, studies, noise = np.random.default_rng([trainings, runs, round(10 * sd)]), 150, 1.0
    counts: Counter[tuple[float, Label]] = Counter()
    stated = []
    for _ in range(studies):
        effects = 70 + generator.normal(0, sd, trainings + 1)
        scores = {k: (effects[k] + generator.normal(0, noise, runs)).tolist() for k in range(trainings)}
        estimate = noise**2 * generator.chisquare(500) / 500
        draws = Draws(scores=scores, sampled=Part(float(estimate), 500.0) if runs > 1 else None)
        published = effects[-1] + generator.normal(0, noise)
        for shift in (0.0, 3.0, 6.0):
            judgement = judge(float(published + shift), draws, SETTINGS, margin=3.0)
            counts[shift, judgement.label] += 1
            if shift == 0.0:
                stated.append((judgement.chance_equal or 0.0, judgement.power or 0.0))
    error = 3 * math.sqrt(0.05 * 0.95 / studies)
    assert counts[0.0, Label.NOT_REPRODUCED] / studies <= 0.05 + error
    assert counts[3.0, Label.REPRODUCED] / studies <= 0.05 + error
    assert counts[6.0, Label.REPRODUCED] / studies <= 0.05
    if trainings < 8:  # the power of three trainings is itself hardly known
        return
    chance_equal, power = np.mean(stated, axis=0)
    assert counts[0.0, Label.REPRODUCED] / studies == pytest.approx(chance_equal, abs=0.15)
    assert counts[3.0, Label.NOT_REPRODUCED] / studies == pytest.approx(power, abs=0.15)
