"""Mean tokens on the RL set, from sampled completions and never from a training log."""

from collections.abc import Callable
from pathlib import Path

import pytest
from synthetic_run import LENGTH, arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.published import load_values
from vr1repro.reporting.claims.comparison import compare_published
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.run.results import Measurement, Missing, Results

KEY = "v4.table-3.{}.10k-rl-training-set.avg-output-tokens"


def row(results: Results, model: str):  # type: ignore[no-untyped-def]
    (value,) = [value for value in load_values() if value.id == KEY.format(model)]
    (compared,) = compare_published([value], results)
    return compared


def test_the_mean_is_that_of_the_completions(results: Results) -> None:
    ours = row(results, "vision-r1-ci").ours
    assert ours is not None
    assert (ours.value, ours.n, ours.clusters) == (1.5 * LENGTH["ci"], 20, 20)
    assert ours.low < ours.value < ours.high


def test_an_arm_that_was_not_sampled_has_none_though_it_was_trained(results: Results) -> None:
    assert len(results.log(results.arms["zero"]))
    value = next(value for value in load_values() if value.id == KEY.format("vision-r1-zero"))
    measured = results.measure(value.target)
    assert isinstance(measured, Missing)
    assert "lengths.arms" in measured.reason
    assert measured.command == "snakemake zero"


@pytest.mark.parametrize(("seeds", "label"), [((1,), Label.CANNOT_TELL), ((1, 2, 3), Label.NOT_REPRODUCED)])
def test_a_length_is_judged_over_training_seeds(
    fresh_run: Callable[..., Path], settings: ReportSettings, seeds: tuple[int, ...], label: Label
) -> None:
    """The paper's 2057 tokens against our 68; one training says nothing of another."""
    results = Results.load(fresh_run(train_seeds=seeds), arm_infos(), settings, comparable=True)
    compared = row(results, "vision-r1-ours")
    assert compared.judgement.label is label
    measured = results.measure(compared.published.target)
    assert isinstance(measured, Measurement)
    assert list(measured.scorers[results.scorer].scores) == list(seeds)
