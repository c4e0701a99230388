"""Do the report's verdicts err, and its intervals cover, as often as they say? Synthetic studies with a known truth.

A study is a benchmark of fresh questions, trainings of our recipe that are each asked several times, and one published
draw: of the same weights, or of another training of a recipe whose expected score differs from ours by a known shift.
The functions under test are the report's; what they are given is drawn here. Difficulties are beta(0.6, 0.35), two
thirds right; a training moves all questions together and each a little on its own.

Verdicts: as large as MathVista (1000 questions) and MathVerse (788 problems in 5 versions); 1, 3 and 8 trainings; 1 and
8 evaluation seeds; training again by 0, 0.7 and 1.2 points, measured, declared or not known; shifts of 0 to 2 margins.
Scorers: a second one that is lenient by a band. Claims: 99 that share trainings, all true.
Questions: 300 questions, and 60 problems in 5 versions: intervals over questions, alone and paired.

    python bench/calibration.py --out results/reference/verify
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from vr1repro.config.reporting import ReportSettings
from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import made
from vr1repro.reporting.claims.judgement import Judgement, Label, judge, over_scorers
from vr1repro.reporting.run.scores_by_seed import Draws, item_spread, weighted_sum
from vr1repro.reporting.statistics.estimate import clustered_mean
from vr1repro.reporting.statistics.paired import holm, paired_difference
from vr1repro.reporting.statistics.parts import Part

MARGIN, ROUNDING = 3.0, 0.05
SETTINGS = ReportSettings()
ALPHA, BETA = 0.6, 0.35  # of the questions' chances
VERSIONS = 0.7  # how far a problem's versions differ, on the logit
OWN = 0.3  # how far a training moves each question on its own, on the logit
SIZES = {"mathvista": (1000, 1), "mathverse": (788, 5)}
CHUNK = 20  # studies drawn at once
CLAIMS = 99
LABELS = (Label.REPRODUCED, Label.NOT_REPRODUCED, Label.WEIGHTS_ONLY, Label.DEPENDS, Label.CANNOT_TELL)
HEADLINE, LENIENT = ("single", "strict"), ("single", "lenient")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of study.

    Attributes:
        sd: Of training again, in points.
        known: `same weights`, `measured`, `declared` (with `declared` points) or `nothing` of training.
        shift: Of the published recipe's expected score from ours, in margins.
        band: How much a second scorer gives, in points; 0: there is none.
    """

    benchmark: str
    trainings: int
    runs: int
    sd: float
    known: str
    shift: float
    declared: float | None = None
    band: float = 0.0


def chances(generator: np.random.Generator, studies: int, benchmark: str) -> np.ndarray:
    """Logit of each question's chance; shape (studies, questions)."""
    problems, versions = SIZES[benchmark]
    common = logit(np.clip(generator.beta(ALPHA, BETA, (studies, problems, 1)), 1e-6, 1 - 1e-6))
    if versions == 1:
        return common.reshape(studies, -1)
    return (common + generator.normal(0, VERSIONS, (studies, problems, versions))).reshape(studies, -1)


def draw(generator: np.random.Generator, cell: Cell, studies: int) -> tuple[np.ndarray, np.ndarray]:
    """Our answers, shape (studies, trainings, runs, questions), and published scores in percent, shape (studies,).

    The published recipe's expected score is ours plus the shift: the shift is added to the score of its answers.
    """
    base = chances(generator, studies, cell.benchmark)
    slope = (expit(base) * (1 - expit(base))).mean(axis=1)  # points of score a logit, over 100
    count = cell.trainings + 1
    moved = np.repeat(base[:, None, :], count, axis=1)
    if cell.sd:
        own = OWN if cell.benchmark == "mathvista" else OWN / 2
        spare = max(0.0, (cell.sd / 100) ** 2 - ((expit(base) * (1 - expit(base)) * own) ** 2).mean() / base.shape[1])
        together = generator.normal(0, 1, (studies, count, 1)) * (math.sqrt(spare) / slope)[:, None, None]
        moved = moved + together + generator.normal(0, own, moved.shape)
    if cell.known == "same weights":
        moved[:, -1] = moved[:, 0]
    probability = expit(moved).astype(np.float32)
    ours = generator.random((studies, cell.trainings, cell.runs, base.shape[1]), dtype=np.float32)
    theirs = generator.random((studies, base.shape[1]), dtype=np.float32) < probability[:, -1]
    return ours < probability[:, :-1, None, :], 100 * theirs.mean(axis=1) + cell.shift * MARGIN


def draws_of(right: np.ndarray, known: str) -> Draws:
    """Answers (trainings, runs, questions) as the report gives them to a verdict."""
    equal = np.full(right.shape[2], 1 / right.shape[2])
    scores = {k: (100 * training.mean(axis=1)).tolist() for k, training in enumerate(right)}
    nothing = Part(0.0, math.inf)
    spread = None
    if right.shape[1] > 1:
        spreads = [item_spread(training.T.astype(np.float64), equal) for training in right]
        spread = weighted_sum([(1 / len(spreads), part) for part in spreads])
    if known == "same weights":
        return Draws(scores=scores, sampled=nothing, fixed=spread, squares=0.0)
    return Draws(scores=scores, sampled=spread, fixed=nothing, squares=1.0)


def settings_of(cell: Cell) -> ReportSettings:
    """The report's settings for a cell."""
    if cell.declared is None:
        return SETTINGS
    return SETTINGS.model_copy(update={"training_sd": cell.declared, "training_sd_source": "declared here"})


def verdict_cell(generator: np.random.Generator, cell: Cell, studies: int) -> dict[str, Any]:
    """Shares of the verdicts, what is said of the weights, and the power that was stated."""
    labels: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    stated = []
    settings = settings_of(cell)

    for start in range(0, studies, CHUNK):
        right, published = draw(generator, cell, min(CHUNK, studies - start))
        for answers, value in zip(right, published, strict=True):
            judgement = _judged(generator, cell, settings, answers, round(float(value), 1))
            labels[judgement.label] += 1
            if judgement.of_weights:
                weights[judgement.of_weights] += 1
            stated.append((judgement.chance_equal or 0.0, judgement.power or 0.0))
    expected = np.array(stated).mean(axis=0)
    return {
        **{label.value: labels[label] / studies for label in LABELS},
        "these weights: reproduced": weights[Label.REPRODUCED] / studies,
        "these weights: not reproduced": weights[Label.NOT_REPRODUCED] / studies,
        "stated_chance_equal": float(expected[0]),
        "stated_power_at_margin": float(expected[1]),
    }


def _judged(
    generator: np.random.Generator, cell: Cell, settings: ReportSettings, answers: np.ndarray, published: float
) -> Judgement:
    def judge_one(draws: Draws, others: float) -> Judgement:
        return judge(published, draws, settings, margin=MARGIN, rounding=ROUNDING, others=others)

    scorers = {HEADLINE: draws_of(answers, cell.known)}
    if cell.band:
        wrong = 1 - float(answers.mean())
        extra = generator.random(answers.shape[2], dtype=np.float32) < cell.band / 100 / wrong
        scorers[LENIENT] = draws_of(answers | extra, cell.known)
    return over_scorers(scorers, HEADLINE, settings, judge_one)


def correlated_cell(generator: np.random.Generator, trainings: int, sd: float, studies: int) -> dict[str, Any]:
    """99 true claims on 9 benchmarks of one recipe's trainings and 11 sub-scores each: false calls a study.

    Claims share the trainings' effects by half, and sub-scores of a benchmark share its answers.
    """
    false, any_false, after_holm, tested = [], 0, 0, []
    for _ in range(studies):
        shared = generator.normal(0, sd / math.sqrt(2), trainings + 1)
        judged: list[Judgement] = []
        for _ in range(9):
            effects = shared + generator.normal(0, sd / math.sqrt(2), trainings + 1)
            noise = generator.normal(0, 1, (trainings + 1, 8))
            for _ in range(11):
                part = (noise + generator.normal(0, 1, noise.shape)) / math.sqrt(2) * 1.1
                scores = {k: (70 + effects[k] + part[k]).tolist() for k in range(trainings)}
                draws = Draws(scores=scores, sampled=Part(1.1**2, 600.0))
                value = round(float(70 + effects[-1] + part[-1, 0]), 1)
                judged.append(judge(value, draws, SETTINGS, margin=MARGIN, rounding=ROUNDING))
        wrong = sum(one.label is Label.NOT_REPRODUCED for one in judged)
        adjusted = holm([one.p_different for one in judged])
        false.append(wrong)
        any_false += wrong > 0
        after_holm += any(p is not None and p <= 1 - SETTINGS.confidence for p in adjusted)
        tested.append(len(judged))
    return {
        "false_calls": float(np.mean(false)),
        "by_chance_at_most": (1 - SETTINGS.confidence) * float(np.mean(tested)),
        "any_false_call": any_false / studies,
        "any_false_call_after_holm": after_holm / studies,
    }


def question_cell(generator: np.random.Generator, studies: int, runs: int, clusters: int, size: int) -> dict[str, Any]:
    """Coverage of intervals over questions: one model's mean, and the difference of two equal recipes' checkpoints."""
    n = clusters * size
    groups = np.repeat(np.arange(clusters), size)
    keys = [str(number) for number in range(n)]
    cluster_of = dict(zip(keys, groups.tolist(), strict=True))
    big = generator.beta(ALPHA, BETA, 2_000_000)
    if size > 1:
        big = expit(logit(np.clip(big, 1e-6, 1 - 1e-6)) + generator.normal(0, VERSIONS, big.shape))
    truth = float(big.mean())
    counts = dict.fromkeys(("mean", "difference", "permutation"), 0)
    for study in range(studies):
        base = logit(np.clip(generator.beta(ALPHA, BETA, (clusters, 1)), 1e-6, 1 - 1e-6))
        spread = generator.normal(0, VERSIONS, (clusters, size)) if size > 1 else np.zeros((clusters, 1))
        sides = generator.random((2 * runs, n)) < expit(base + spread).ravel()
        first, second = sides[:runs].mean(axis=0), sides[runs:].mean(axis=0)
        pooled = sides[:runs].ravel().astype(np.float64)  # all rows of all seeds, as `scores.accuracy` does
        alone = clustered_mean(pooled, np.tile(groups, runs), confidence=SETTINGS.confidence, proportion=True)
        counts["mean"] += alone.low <= truth <= alone.high
        pair = paired_difference(
            dict(zip(keys, first, strict=True)), dict(zip(keys, second, strict=True)), cluster_of,
            confidence=SETTINGS.confidence, draws=199, seed=study,
        )  # fmt: skip
        counts["difference"] += pair.estimate.low <= 0 <= pair.estimate.high
        counts["permutation"] += pair.p_value <= 1 - SETTINGS.confidence
    return {
        "coverage_question_mean": counts["mean"] / studies,
        "coverage_paired_difference": counts["difference"] / studies,
        "false_permutation": counts["permutation"] / studies,
    }


def verdict_cells() -> Iterator[Cell]:
    """Cells A, B, F and H of the audit of the first version, and more of their kinds."""
    shifts, sds = (0.0, 0.5, 1.0, 2.0), (0.0, 0.7, 1.2)
    for benchmark, runs, shift in product(SIZES, (1, 8), shifts):
        cell = {"benchmark": benchmark, "runs": runs, "shift": shift}
        yield Cell(**cell, trainings=1, sd=0.0, known="same weights")
        for sd in sds:
            yield Cell(**cell, trainings=1, sd=sd, known="nothing")
            yield Cell(**cell, trainings=1, sd=sd, known="declared", declared=1.2)
            for trainings in (3, 8):
                yield Cell(**cell, trainings=trainings, sd=sd, known="measured")
    for band, shift in product((2.0, 5.0), (0.0, 2.0)):
        yield Cell(benchmark="mathvista", runs=8, shift=shift, trainings=1, sd=0.0, known="same weights", band=band)


def cells(studies: int, seed: int) -> Iterator[dict[str, Any]]:
    """All rows of the table, each with a stream of random numbers of its own."""
    jobs: list[tuple[dict[str, Any], Callable[[np.random.Generator], dict[str, Any]]]] = []
    for cell in verdict_cells():
        head = {"kind": "verdict", **vars(cell), "studies": studies}
        jobs.append((head, partial(verdict_cell, cell=cell, studies=studies)))
    some = max(20, studies // 20)
    for trainings, sd in product((3, 8), (0.0, 0.7, 1.2)):
        head = {"kind": "claims", "trainings": trainings, "sd": sd, "runs": 8, "studies": some}
        jobs.append((head, partial(correlated_cell, trainings=trainings, sd=sd, studies=some)))
    for runs, (clusters, size) in product((1, 3, 8), ((300, 1), (60, 5))):
        head = {"kind": "questions", "runs": runs, "benchmark": f"{clusters} x {size}", "studies": studies}
        jobs.append((head, partial(question_cell, studies=studies, runs=runs, clusters=clusters, size=size)))
    for (head, job), stream in zip(jobs, np.random.SeedSequence(seed).spawn(len(jobs)), strict=True):
        yield head | job(np.random.default_rng(stream))


def main() -> None:
    """Run all cells and write calibration.csv and calibration.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for row in cells(options.studies, options.seed):
        rows.append(row)
        print(json.dumps(row), flush=True)
    table = pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(options.out / "calibration.csv", table)
    arguments = {"studies": options.studies, "seed": options.seed}
    facts = {"arguments": arguments, "level": SETTINGS.confidence, "margin": MARGIN, "made": made()}
    write_atomically(options.out / "calibration.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
