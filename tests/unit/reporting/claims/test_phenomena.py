"""Phenomena: each statistic on planted logs, scores and words, and the labels at their stated error rate.

The simulations draw training seeds, and from each a log, graded responses or texts, and send them through the package's
own reading. Their Monte Carlo error is that of a proportion, sqrt(p (1 - p) / draws), and stands in each assertion.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.jsonl import write_rows
from vr1repro.core.records import Response
from vr1repro.published import PublishedValue, ValueClass, load_values
from vr1repro.reporting.claims.comparison import compare_published
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.claims.phenomena import PHENOMENA, direction, measure, phenomenon
from vr1repro.reporting.run.points import Point, Quantity, lengths, words_per_response
from vr1repro.reporting.run.results import Missing, Results
from vr1repro.reporting.run.scores import COLUMNS
from vr1repro.reporting.statistics.paired import SeedDifference, seed_difference
from vr1repro.reporting.tables.our_tables import phenomena_table

SENTENCES = {value.id: value for value in load_values() if value.value_class is ValueClass.PHENOMENON}
ARMS = arm_infos()
SEEDS = (1, 2, 3, 4, 5)
# Signs of a planted effect.
NO_CHANGE, AS_STATED, AGAINST = 0.0, 1.0, -1.0
# Rates of wrong labels are stated for a level of 95 %: half of 5 % for each of the two.
STATED = 0.025


def sentence(part: str) -> PublishedValue:
    (value,) = [value for key, value in SENTENCES.items() if part in key]
    return value


def planted_log(arm: str, plan: Mapping[int, tuple[float, float]], generator: np.random.Generator) -> pd.DataFrame:
    """An arm's step log: mean length at the start and end of each stage, seeds and steps scattered around them."""
    rows = []
    for stage in ARMS[arm].stages:
        first = stage.last_step - 20 if len(ARMS[arm].stages) > 1 else 0
        steps = np.arange(first + 1, stage.last_step + 1)
        start, end = plan[stage.number]
        for seed in SEEDS:
            shift = generator.normal(0, 3, size=2)
            means = np.linspace(start + shift[0], end + shift[1], len(steps)) + generator.normal(0, 2, len(steps))
            rows.append(pd.DataFrame({"train_seed": seed, "stage": stage.number, "step": steps, "mean_length": means}))
    return pd.concat(rows, ignore_index=True)


def graded(
    arm: str,
    share: float,
    generator: np.random.Generator,
    *,
    stage: tuple[int, int] | None = None,
    slope: float = 0.0,
    questions: int = 100,
    benchmark: str = "mathverse",
) -> pd.DataFrame:
    """Responses of an arm's end, or of a checkpoint (stage, step), whose seeds scatter around a share of right ones."""
    parts = []
    for seed in SEEDS if ARMS[arm].trained else (0,):
        skill = share + generator.normal(0, 0.02)
        tokens = np.exp2(generator.normal(6, 1, questions))
        chance = np.clip(skill + slope * (np.log2(tokens) - 6), 0, 1)
        rows = {name: [None] * questions for name in COLUMNS} | {
            "arm": arm,
            "train_seed": seed,
            "final": stage is None,
            "stage": None if stage is None else stage[0],
            "step": None if stage is None else stage[1],
            "benchmark": benchmark,
            "protocol": "single",
            "profile": "rule",
            "eval_seed": 1,
            "id": [str(k) for k in range(questions)],
            "cluster": [str(k) for k in range(questions)],
            "stratum": "all",
            "subsets": [()] * questions,
            "correct": list(generator.random(questions) < chance),
            "n_tokens": tokens,
        }
        parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def results_of(
    frames: list[pd.DataFrame] | None = None, logs: Mapping[str, pd.DataFrame] | None = None, run: Path | None = None
) -> Results:
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)
    return Results(
        run=run or Path("nowhere"),
        arms=ARMS,
        settings=ReportSettings(),
        comparable=False,
        frame=frame.astype({"stage": "Int64", "step": "Int64"}),
        _logs={ARMS[arm]: log for arm, log in (logs or {}).items()},
    )


def plant_ci(sign: float, generator: np.random.Generator) -> Results:
    return results_of([graded("ci", 0.5, generator, slope=-0.2 * sign)])


def plant_long_lengthens(sign: float, generator: np.random.Generator) -> Results:
    return results_of(logs={"long": planted_log("long", {1: (90, 90 + 30 * sign)}, generator)})


def plant_long_declines(sign: float, generator: np.random.Generator) -> Results:
    return results_of([graded("ci", 0.5, generator), graded("long", 0.5 - 0.2 * sign, generator)])


def plant_stage_1(sign: float, generator: np.random.Generator) -> Results:
    log = planted_log("vision-r1", {1: (60, 60 - 25 * sign), 2: (60, 60)}, generator)
    return results_of(
        [graded("ci", 0.5, generator), graded("vision-r1", 0.5 + 0.2 * sign, generator, stage=(1, 20))],
        {"vision-r1": log},
    )


def plant_stage_2(sign: float, generator: np.random.Generator) -> Results:
    log = planted_log("vision-r1", {1: (60, 60), 2: (60, 60 + 25 * sign)}, generator)
    return results_of(
        [
            graded("vision-r1", 0.5, generator, stage=(1, 20)),
            graded("vision-r1", 0.5 + 0.2 * sign, generator),
        ],
        {"vision-r1": log},
    )


def plant_zero_lengthens(sign: float, generator: np.random.Generator) -> Results:
    return results_of(logs={"zero": planted_log("zero", {1: (40, 40 + 25 * sign)}, generator)})


def plant_zero_declines(sign: float, generator: np.random.Generator) -> Results:
    start = graded(
        "base", 0.5, np.random.default_rng(0), questions=2000
    )  # one fixed model: its value is taken as known
    start["correct"] = [k % 2 == 0 for k in range(len(start))]
    return results_of([start, graded("zero", 0.5 - 0.2 * sign, generator)])


def plant_stage_3(sign: float, generator: np.random.Generator) -> Results:
    plan = {1: (60.0, 60.0), 2: (60.0, 60.0), 3: (60.0, 60 + 25 * sign)}
    return results_of(logs={"vision-r1-stage3": planted_log("vision-r1-stage3", plan, generator)})


def plant_above_long(sign: float, generator: np.random.Generator) -> Results:
    return results_of([graded("vision-r1", 0.5 + 0.2 * sign, generator), graded("long", 0.5, generator)])


PLANTS: dict[str, Callable[[float, np.random.Generator], Results]] = {
    "ci.long-chains": plant_ci,
    "long.lengthens": plant_long_lengthens,
    "long.declines": plant_long_declines,
    "stage-1": plant_stage_1,
    "stage-2": plant_stage_2,
    "zero.lengthens": plant_zero_lengthens,
    "zero.declines": plant_zero_declines,
    "stage-3": plant_stage_3,
    "above-vision-r1-long": plant_above_long,
}
IN_WORDS = ("words-of-reflection", "stays-short")  # planted as files, below


def plant_words(run: Path, rates: Mapping[str, float], generator: np.random.Generator) -> None:
    """Responses to MathVerse with so many words of reflection each, by model and seed."""
    for model, rate in rates.items():
        for seed in SEEDS:
            folder = run / "eval" / model.format(seed) / "mathverse" / "single" / "e1"
            counts = generator.poisson(max(rate + generator.normal(0, 0.1), 0.0), size=20)
            arm = model.partition("_")[0]
            rows = [
                Response(
                    run="test", model=model.format(seed), arm=arm, train_seed=seed, eval_seed=1, protocol="single",
                    benchmark="mathverse", id=str(k), prompt_sha="0" * 64, response="it is. Wait, " * int(count),
                    n_tokens=10, finish_reason="stop",
                )
                for k, count in enumerate(counts)
            ]  # fmt: skip
            write_rows(folder / "responses.jsonl", rows)


def results_in_words(name: str, sign: float, generator: np.random.Generator, run: Path) -> Results:
    if name == "words-of-reflection":
        rates = {"vision-r1_s{}_stage1_step20": 2.0, "vision-r1_s{}": 2 + 1.5 * sign, "long_s{}": 2.0}
        plant_words(run, rates, generator)
        return results_of(run=run)
    plant_words(run, {"vision-r1_s{}": 2.0, "zero_s{}": 2 - 1.5 * sign}, generator)
    logs = {
        "zero": planted_log("zero", {1: (60, 60 - 25 * sign)}, generator),
        "vision-r1": planted_log("vision-r1", {1: (60, 60), 2: (60, 60)}, generator),
    }
    return results_of(logs=logs, run=run)


def test_every_published_phenomenon_has_its_statistics_and_a_plant() -> None:
    assert PHENOMENA.keys() == SENTENCES.keys()
    covered = [sentence(name).id for name in (*PLANTS, *IN_WORDS)]
    assert sorted(covered) == sorted(SENTENCES)


@pytest.mark.parametrize("name", [*PLANTS, *IN_WORDS])
@pytest.mark.parametrize(("sign", "label"), [(AS_STATED, Label.SHOWN), (AGAINST, Label.REVERSED)])
def test_what_was_planted_is_said(name: str, sign: float, label: Label, tmp_path: Path) -> None:
    value, labels = sentence(name), Counter[Label]()
    for draw in range(8):
        generator = np.random.default_rng([7, draw])
        if name in PLANTS:
            results = PLANTS[name](sign, generator)
        else:
            results = results_in_words(name, sign, generator, tmp_path / str(draw))
        labels[phenomenon(value, results).judgement.label] += 1
    assert labels[label] >= 7, labels  # the planted effects are several times the seeds' scatter
    opposite = Label.REVERSED if label is Label.SHOWN else Label.SHOWN
    assert labels[opposite] == 0


@pytest.mark.verify
@pytest.mark.parametrize("name", [*PLANTS, *IN_WORDS])
def test_where_nothing_was_planted_nothing_is_said_but_by_chance(name: str, tmp_path: Path) -> None:
    """The stated rate: shown and reversed in at most 2.5 % each, whatever the number of statistics."""
    value, labels, draws = sentence(name), Counter[Label](), 400
    for draw in range(draws):
        generator = np.random.default_rng([11, draw])
        if name in PLANTS:
            results = PLANTS[name](NO_CHANGE, generator)
        else:
            results = results_in_words(name, NO_CHANGE, generator, tmp_path / str(draw))
        labels[phenomenon(value, results).judgement.label] += 1
    error = math.sqrt(STATED * (1 - STATED) / draws)  # 0.8 %
    for label in (Label.SHOWN, Label.REVERSED):
        assert labels[label] / draws <= STATED + 3 * error, labels
    assert labels[Label.CANNOT_TELL] / draws >= 1 - 2 * (STATED + 3 * error)


def normal_seeds(generator: np.random.Generator, shift: float, seeds: int) -> SeedDifference:
    return seed_difference(
        dict(enumerate(generator.normal(shift, 1.0, seeds).tolist())), {0: 0.0}, trained=(True, False)
    )


@pytest.mark.parametrize("seeds", [3, 8])
@pytest.mark.parametrize("statistics", [1, 2])
def test_the_rule_has_its_stated_error_rate(seeds: int, statistics: int) -> None:
    generator, draws = np.random.default_rng(5), 1000
    labels = Counter(
        direction([(1, normal_seeds(generator, 0.0, seeds)) for _ in range(statistics)], 0.95) for _ in range(draws)
    )
    error = math.sqrt(STATED * (1 - STATED) / draws)  # 0.5 %
    assert labels[Label.REVERSED] / draws == pytest.approx(STATED, abs=3 * error)
    shown = STATED**statistics  # two independent ones must both come out
    assert labels[Label.SHOWN] / draws == pytest.approx(shown, abs=3 * error)


def test_a_half_true_sentence_is_not_shown_beyond_the_rate() -> None:
    """One statistic goes as stated and the other nowhere: the sentence is false, and shown in at most 2.5 %."""
    generator, draws = np.random.default_rng(6), 1000
    labels = Counter(
        direction([(1, normal_seeds(generator, 9.0, 5)), (1, normal_seeds(generator, 0.0, 5))], 0.95)
        for _ in range(draws)
    )
    error = math.sqrt(STATED * (1 - STATED) / draws)
    assert labels[Label.SHOWN] / draws == pytest.approx(STATED, abs=3 * error)
    assert labels[Label.REVERSED] / draws <= STATED / 2 + 3 * error


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_training_seeds_cannot_tell(seeds: int) -> None:
    sides = ({seed: 90.0 + seed for seed in range(seeds)}, dict.fromkeys(range(seeds), 10.0))
    assert direction([(1, seed_difference(*sides))], 0.95) is Label.CANNOT_TELL


def test_one_training_seed_is_always_cannot_tell(results: Results) -> None:
    """The synthetic run has one: whatever it has a statistic for cannot be told."""
    labels = {key: phenomenon(value, results).judgement for key, value in SENTENCES.items()}
    assert {judgement.label for judgement in labels.values()} == {Label.CANNOT_TELL, Label.CANNOT_BE_SHOWN}
    told = [judgement.reason for judgement in labels.values() if judgement.label is Label.CANNOT_TELL]
    assert len(told) >= 5
    assert all("1 training seed, needs 3" in reason for reason in told)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stage-3", "tokens in the log, end of stage 3 minus end of stage 2: no finished training log"),
        ("zero.declines", "accuracy of Zero minus that of its start: the end of `zero` was not evaluated"),
    ],
)
def test_a_run_that_lacks_something_says_what(name: str, reason: str) -> None:
    judgement = phenomenon(sentence(name), results_of([graded("base", 0.5, np.random.default_rng(0))])).judgement
    assert judgement.label is Label.CANNOT_BE_SHOWN
    assert judgement.reason.startswith(reason)
    assert judgement.command == ("snakemake vision-r1-stage3" if name == "stage-3" else "snakemake zero")


def test_an_arm_that_the_config_lacks_is_named() -> None:
    results = results_of()
    results.arms = {name: arm for name, arm in ARMS.items() if name != "long"}
    assert "no arm `long`" in phenomenon(sentence("long.declines"), results).judgement.reason


def test_no_word_at_all_cannot_show_that_words_grow(tmp_path: Path) -> None:
    rates = dict.fromkeys(("vision-r1_s{}_stage1_step20", "vision-r1_s{}", "long_s{}"), -1.0)
    plant_words(tmp_path, rates, np.random.default_rng(0))
    judgement = phenomenon(sentence("words-of-reflection"), results_of(run=tmp_path)).judgement
    assert judgement.label is Label.CANNOT_BE_SHOWN
    assert "no word of reflection" in judgement.reason


def test_a_seed_that_did_not_finish_gives_no_length() -> None:
    log = planted_log("long", {1: (90, 60)}, np.random.default_rng(0))
    short = log[(log["train_seed"] != 3) | (log["step"] < 40)]
    assert lengths(short, ARMS["long"], None).keys() == {1, 2, 4, 5}
    assert lengths(log.iloc[:0], ARMS["long"], None) == {}


def test_lengths_are_means_of_a_tenth_of_the_stages_steps() -> None:
    log = pd.DataFrame(
        {"train_seed": 1, "stage": [1] * 20 + [2] * 20, "step": range(1, 41), "mean_length": np.arange(1.0, 41.0)}
    )
    points = {0: 1.5, 1: 19.5, 2: 39.5, None: 39.5}
    assert {stage: lengths(log, ARMS["vision-r1"], stage)[1] for stage in points} == points


def test_a_stage_whose_end_is_another_arms_end_is_taken_from_there() -> None:
    results = results_of([graded("vision-r1", 0.5, np.random.default_rng(0))])
    at_border = results.points.at(Quantity.ACCURACY, Point("vision-r1-stage3", 2))
    assert at_border.values == results.points.at(Quantity.ACCURACY, Point("vision-r1")).values != {}


def test_seeds_that_only_one_side_has_are_left_out() -> None:
    results = plant_above_long(AS_STATED, np.random.default_rng(0))
    results.frame = results.frame[(results.frame["arm"] != "long") | (results.frame["train_seed"] != 5)]
    (statistic,) = PHENOMENA[sentence("above-vision-r1-long").id]
    difference = measure(statistic, results)
    assert not isinstance(difference, Missing)
    assert difference.seeds == 4
    assert "paired" in difference.method


def test_words_are_counted_whole_and_in_any_case() -> None:
    assert words_per_response(["Wait, wait. waiting", "no"], ["Wait", "Hmm"]) == 1


def test_the_papers_own_numbers_contradict_exactly_these() -> None:
    """What the contradictions say in words: Long's curve, and Zero's gain against v1's text."""
    contrary = {
        statistic.what
        for statistics in PHENOMENA.values()
        for statistic in statistics
        if (printed := statistic.by_the_paper) is not None and printed * statistic.sign <= 0
    }
    assert contrary == {
        "tokens in Long's log, end minus start",
        "accuracy of Long minus that of its start",
        "accuracy of Zero minus that of its start",
    }


def test_a_phenomenon_is_judged_at_any_scale_and_has_its_rows() -> None:
    results = plant_above_long(AS_STATED, np.random.default_rng(3))
    assert not results.comparable
    rows = {row.published.id: row.judgement.label for row in compare_published(SENTENCES.values(), results)}
    assert rows[sentence("above-vision-r1-long").id] is Label.SHOWN
    table = phenomena_table(results, [phenomenon(value, results) for value in SENTENCES.values()])
    assert len(table.rows) == sum(map(len, PHENOMENA.values()))
    assert all(len(cells) == len(table.header) for cells in table.rows)
    assert [cells[2] for cells in table.rows].count("shown") == 1


def test_accuracies_are_of_what_both_sides_answered() -> None:
    """A side that answered one more benchmark, an easy one, gains nothing by it."""
    rng = np.random.default_rng(0)
    long, ours = graded("long", 0.5, rng), graded("vision-r1", 0.5, rng)
    easy = graded("vision-r1", 0.95, rng, benchmark="mathvista")
    (statistic,) = PHENOMENA[sentence("above-vision-r1-long").id]
    alone = measure(statistic, results_of([long, ours]))
    assert measure(statistic, results_of([long, ours, easy])) == alone
    apart = measure(statistic, results_of([long, easy]))
    assert isinstance(apart, Missing)
    assert "both answered" in apart.reason


def test_responses_of_one_length_have_no_slope() -> None:
    rows = graded("ci", 0.5, np.random.default_rng(0)).assign(n_tokens=16)
    (statistic,) = PHENOMENA[sentence("long-chains-are-less-accurate").id]
    measured = measure(statistic, results_of([rows]))
    assert isinstance(measured, Missing)
    assert "of one length" in measured.reason
    assert measured.command is None
