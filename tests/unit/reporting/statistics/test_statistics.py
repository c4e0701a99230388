"""Estimates against statsmodels, by hand, and by simulation with known truth."""

import math
from fractions import Fraction

import numpy as np
import pytest
from statsmodels.regression.linear_model import OLS

from vr1repro.core.errors import UserError
from vr1repro.reporting.statistics.bootstrap import bootstrap_band
from vr1repro.reporting.statistics.estimate import clustered_mean, codes, pair_codes, seed_mean
from vr1repro.reporting.statistics.paired import paired_difference, seed_difference


def _data(seed: int, clusters: int = 30, size: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    skill = generator.normal(0, 1, clusters)
    groups = np.repeat(np.arange(clusters), size)
    strata = np.tile(np.arange(size), clusters)
    values = (skill[groups] + generator.normal(0, 1, clusters * size) + 0.3 * strata > 0.5).astype(float)
    return values, groups, strata


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_statsmodels_cluster_robust(seed: int) -> None:
    values, groups, strata = _data(seed)
    keep = np.random.default_rng(seed).random(len(values)) < 0.8  # incomplete, so that strata differ in size
    values, groups, strata = values[keep], groups[keep], strata[keep]
    design = (strata[:, None] == np.arange(5)).astype(float)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "df_correction": True}, "use_t": True}
    test = OLS(values, design).fit(**options).t_test(np.full((1, 5), 0.2))
    ours = clustered_mean(values, groups, strata=strata)
    assert ours.value == pytest.approx(test.effect[0])
    assert ours.stderr == pytest.approx(test.sd[0, 0])
    low, high = test.conf_int()[0]
    assert (ours.low, ours.high) == pytest.approx((low, high))

    plain = OLS(values, np.ones((len(values), 1))).fit(**options)
    assert clustered_mean(values, groups).stderr == pytest.approx(plain.bse[0])


def test_clustering_undoes_copies() -> None:
    """Five equal answers to one problem are one answer: the error is that of the problems, sqrt(5) times the naive."""
    problems = _data(0, clusters=40, size=1)[0]
    values, groups = np.repeat(problems, 5), np.repeat(np.arange(40), 5)
    clustered, naive = clustered_mean(values, groups), clustered_mean(values, range(200))
    assert clustered.stderr == pytest.approx(clustered_mean(problems, range(40)).stderr, rel=0.01)
    assert clustered.stderr / naive.stderr == pytest.approx(math.sqrt(5), rel=0.02)


def test_repeating_every_row_changes_nothing() -> None:
    """A second seed with the same answers is no new information about the questions."""
    values, groups, _ = _data(3)
    once = clustered_mean(values, groups)
    twice = clustered_mean(np.tile(values, 2), np.tile(groups, 2))
    assert twice.value == once.value
    assert twice.clusters == once.clusters
    assert twice.stderr == pytest.approx(once.stderr, rel=0.01)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (20, 20), (1, 20)])
def test_proportions_stay_in_range_and_keep_width(hits: int, n: int) -> None:
    estimate = clustered_mean([1.0] * hits + [0.0] * (n - hits), range(n), proportion=True)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.high - estimate.low > 0.1


def test_weights_of_strata() -> None:
    estimate = clustered_mean([1, 1, 1, 0], range(4), strata=list("aaab"), weights={"a": 1, "b": 3})
    assert estimate.value == pytest.approx(0.25)
    with pytest.raises(UserError, match="without a weight"):
        clustered_mean([1, 0], range(2), strata=list("ab"), weights={"a": 1})


@pytest.mark.parametrize("values", [[], [math.nan]])
def test_no_mean_of_nothing(values: list[float]) -> None:
    with pytest.raises(UserError):
        clustered_mean(values, range(len(values)))


def test_a_mean_of_strata_is_the_double_next_to_its_exact_ratio() -> None:
    """181 of 400 over five strata is 45.25 %; a product of matrices gives it or a neighbour, as the processor adds."""
    hits = [37, 36, 37, 36, 35]
    values = [float(k < n) for n in hits for k in range(80)]
    strata = [stratum for stratum in range(5) for _ in range(80)]
    estimate = clustered_mean(values, range(400), strata=strata, weights={k: Fraction(1, 15) for k in range(5)})
    assert estimate.value == 181 / 400


def test_training_seeds_that_differ_alike_have_no_spread() -> None:
    """53.3 - 50.1 and 67.3 - 64.1 are one number, and two doubles."""
    after, before = {1: 53.3, 2: 54.3, 3: 67.3}, {1: 50.1, 2: 51.1, 3: 64.1}
    assert len({after[seed] - before[seed] for seed in after}) > 1
    found = seed_difference(after, before)
    assert (found.method, found.stderr, found.p_value) == ("no spread over training seeds", 0.0, 0.0)


def test_one_cluster_has_no_spread() -> None:
    estimate = clustered_mean([1.0, 0.0], ["a", "a"], proportion=True)
    assert math.isnan(estimate.stderr)
    assert (estimate.low, estimate.high) == (0.0, 1.0)
    assert math.isinf(clustered_mean([1.0, 0.0], ["a", "a"]).high)


@pytest.mark.parametrize("proportion", [True, False])
def test_intervals_cover_the_truth(proportion: bool) -> None:
    """600 clustered studies; 95 % intervals must hold the truth within 3 Monte Carlo errors (0.027)."""
    generator, covered, studies = np.random.default_rng(5), 0, 600
    for _ in range(studies):
        skill = generator.beta(2, 2, 60)
        groups = np.repeat(np.arange(60), 5)
        values = (generator.random(300) < skill[groups]).astype(float)
        estimate = clustered_mean(values, groups, proportion=proportion)
        covered += estimate.low <= 0.5 <= estimate.high
    assert covered / studies == pytest.approx(0.95, abs=0.027)


def test_seed_mean() -> None:
    estimate = seed_mean([1.0, 2.0, 3.0])
    assert estimate.value == 2.0
    assert estimate.stderr == pytest.approx(1 / math.sqrt(3))
    assert estimate.high - estimate.value == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert math.isnan(seed_mean([1.0]).stderr)


def test_paired_difference_is_tighter_than_two_intervals() -> None:
    generator = np.random.default_rng(1)
    easy = generator.random(200)
    first = {str(k): float(easy[k] + 0.1 > 0.5) for k in range(200)}
    second = {str(k): float(easy[k] > 0.5) for k in range(199)}
    clusters = {str(k): k for k in range(200)}
    found = paired_difference(first, second, clusters, draws=500)
    alone = clustered_mean(list(first.values()), range(200))
    assert found.estimate.value > 0
    assert found.estimate.stderr < alone.stderr
    assert found.p_value < 0.01
    assert found.unpaired == 1


def test_sign_flip_is_exact_for_few_clusters() -> None:
    keys = [str(k) for k in range(5)]
    found = paired_difference(dict.fromkeys(keys, 1.0), dict.fromkeys(keys, 0.0), {k: k for k in keys})
    assert found.p_value == pytest.approx(2 / 32)


def test_sign_flip_without_a_difference_is_uniform() -> None:
    generator, low = np.random.default_rng(2), 0
    for study in range(200):
        sides = [{str(k): float(generator.random() < 0.5) for k in range(40)} for _ in range(2)]
        low += paired_difference(*sides, {str(k): k for k in range(40)}, draws=200, seed=study).p_value < 0.1
    assert low <= 34  # 20 expected; 3 standard errors


def test_pairs_need_common_questions() -> None:
    with pytest.raises(UserError, match="share none"):
        paired_difference({"a": 1.0}, {"b": 1.0}, {"a": 1, "b": 2})


def test_pairs_of_labels_are_numbered_as_tuples_are() -> None:
    first, second = np.array(list("abab"), dtype=object), np.array(list("xyyy"), dtype=object)
    assert pair_codes(first, second).tolist() == codes(list(zip(first, second, strict=True))).tolist() == [0, 1, 2, 1]


def test_bootstrap_band_resamples_clusters_and_is_reproducible() -> None:
    values, groups, _ = _data(4)
    above, below = np.stack([values, values], axis=1), np.stack([np.ones_like(values), np.zeros_like(values)], axis=1)
    low, high = bootstrap_band(above, below, groups, draws=400, seed=3)
    estimate = clustered_mean(values, groups)
    assert high[0] - low[0] == pytest.approx(estimate.high - estimate.low, rel=0.25)
    assert np.isnan(low[1])
    again, _ = bootstrap_band(above, below, groups, draws=400, seed=3)
    assert again[0] == low[0]


def test_bootstrap_band_is_that_of_the_rows_drawn_again() -> None:
    values, groups, _ = _data(5, clusters=12, size=3)
    members = [np.flatnonzero(groups == group) for group in range(12)]
    generator = np.random.default_rng(1)
    chosen = (generator.integers(12, size=12) for _ in range(50))
    means = [values[np.concatenate([members[k] for k in each])].mean() for each in chosen]
    low, high = bootstrap_band(values[:, None], np.ones((len(values), 1)), groups, draws=50, confidence=0.9, seed=1)
    assert (low[0], high[0]) == pytest.approx(tuple(np.percentile(means, [5, 95])))
