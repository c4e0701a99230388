"""Do the report's intervals cover, and its verdicts err, as often as they say? Synthetic studies with a known truth.

A study is a benchmark of fresh questions, K seeds of one model on it, and one further draw that someone published,
under a grader of their own and rounded to one decimal. The functions under test are those of the report.

Verdicts: as large as MathVista (1000 questions) and MathVerse (788 problems in 5 versions, one cluster each), seeds of
sampling or of training (whose effect differs from training to training by about `--training-sd` points).
Questions: 300 questions, and 60 problems in 5 versions: intervals over questions, alone and paired.

    python bench/calibration.py --out results/reference/verify
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import made
from vr1repro.reporting.claims.judgement import Label, judge, predict
from vr1repro.reporting.run.scores_by_seed import item_spread
from vr1repro.reporting.statistics.estimate import clustered_mean, seed_mean
from vr1repro.reporting.statistics.paired import paired_difference

SEEDS = (2, 3, 8)
LEVEL, MARGIN, SHIFT, ROUNDING = 0.95, 3.0, 3.0, 0.05
CENTRE, SPREAD = 0.9, 2.0  # of the questions' logits: about 63 percent right, questions from hopeless to certain
WITHIN = 0.35  # share of that variance inside a cluster
LENIENT = 0.02  # the publisher's grader calls this share of our wrong answers right
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
CHUNK = 50  # studies drawn at once


def logits(generator: np.random.Generator, studies: int, clusters: int, size: int) -> np.ndarray:
    """Difficulty of each question; shape (studies, clusters * size)."""
    share = WITHIN if size > 1 else 0.0
    common = generator.normal(0, SPREAD * math.sqrt(1 - share), (studies, clusters, 1))
    own = generator.normal(0, SPREAD * math.sqrt(share), (studies, clusters, size))
    return (CENTRE + common + own).reshape(studies, -1)


def answers(generator: np.random.Generator, item: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Right or wrong; item (studies, n), effects (studies, draws) gives (studies, draws, n)."""
    chances = expit(item[:, None, :] + effects[:, :, None]).astype(np.float32)
    return generator.random(chances.shape, dtype=np.float32) < chances


def verdict_cell(
    generator: np.random.Generator, studies: int, k: int, clusters: int, size: int, training_sd: float
) -> dict[str, Any]:
    """Coverage of seed means and prediction intervals, and how often each verdict is given.

    Args:
        generator: Source of randomness.
        studies: How many.
        k: Seeds.
        clusters: Problems.
        size: Questions a problem.
        training_sd: On the logit; 0 where the seeds are those of sampling.
    """
    counts = dict.fromkeys(
        ("seed_mean", "prediction", "widened", "not_reproduced", "underpowered", "seen", "seen_underpowered"), 0
    )
    powers, spread, equal = [], [], np.full(clusters * size, 1 / (clusters * size))
    for start in range(0, studies, CHUNK):
        some = min(CHUNK, studies - start)
        item = logits(generator, some, clusters, size)
        effects = generator.normal(0, training_sd, (some, k + 1)) if training_sd else np.zeros((some, k + 1))
        right = answers(generator, item, effects)
        lenient = right | (generator.random(right.shape, dtype=np.float32) < LENIENT)
        scores, theirs = 100 * right.mean(axis=2), 100 * lenient.mean(axis=2)
        if training_sd:
            at = [expit(item + training_sd * node).mean(axis=1) for node in NODES]
            truth = 100 * (NODE_WEIGHTS @ np.array(at)) / NODE_WEIGHTS.sum()
        else:
            truth = 100 * expit(item).mean(axis=1)
        for s in range(some):
            ours = list(scores[s, :k])
            mean = seed_mean(ours, confidence=LEVEL)
            counts["seed_mean"] += mean.low <= truth[s] <= mean.high
            by_seed = {j: [score] for j, score in enumerate(ours)} if training_sd else {0: ours}
            shift = float((theirs[s, :k] - scores[s, :k]).mean())
            band = (min(0.0, shift), max(0.0, shift))
            # Judged as the report does: with one training its sampling spread comes from the questions' own answers.
            sampling = None if training_sd else item_spread(right[s, :k].T.astype(np.float64), equal)
            plain: dict[str, Any] = {"rounding": ROUNDING, "sampling": sampling}
            options: dict[str, Any] = {"rounding": ROUNDING, "band": band, "confidence": LEVEL, "sampling": sampling}
            expected = predict(by_seed, LEVEL, sampling)
            counts["prediction"] += abs(scores[s, k] - expected.mean) <= expected.half_width
            printed = round(float(theirs[s, k]), 1)
            reach = expected.half_width + ROUNDING
            counts["widened"] += band[0] - reach <= printed - expected.mean <= band[1] + reach
            said = judge(printed, by_seed, margin=MARGIN, **options)
            counts["not_reproduced"] += said.label is Label.NOT_REPRODUCED
            counts["underpowered"] += said.label is Label.UNDERPOWERED
            seen = judge(round(float(scores[s, k] + SHIFT), 1), by_seed, margin=MARGIN, **plain).label
            counts["seen"] += seen is Label.NOT_REPRODUCED
            counts["seen_underpowered"] += seen is Label.UNDERPOWERED
            powers.append(said.power)
            spread.append(scores[s, :k].std(ddof=1) ** 2)
    shares = {name: float(count) / studies for name, count in counts.items()}
    return {
        "seed_sd_points": math.sqrt(float(np.mean(spread))),
        "coverage_seed_mean": shares["seed_mean"],
        "coverage_prediction": shares["prediction"],
        "coverage_widened": shares["widened"],
        "false_not_reproduced": shares["not_reproduced"],
        "false_not_reproduced_where_judged": _ratio(shares["not_reproduced"], 1 - shares["underpowered"]),
        "underpowered": shares["underpowered"],
        "power_3_points": shares["seen"],
        "power_3_points_where_judged": _ratio(shares["seen"], 1 - shares["seen_underpowered"]),
        "stated_power": float(np.mean(powers)),
    }


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 1e-9 else math.nan


def question_cell(generator: np.random.Generator, studies: int, k: int, clusters: int, size: int) -> dict[str, Any]:
    """Coverage of intervals over questions: one model's mean, and the difference of two equal recipes' checkpoints."""
    n = clusters * size
    groups = np.repeat(np.arange(clusters), size)
    keys = [str(number) for number in range(n)]
    cluster_of = dict(zip(keys, groups.tolist(), strict=True))
    truth = float(NODE_WEIGHTS @ expit(CENTRE + SPREAD * NODES) / NODE_WEIGHTS.sum())
    counts = dict.fromkeys(("mean", "difference", "permutation"), 0)
    for study in range(studies):
        item = logits(generator, 1, clusters, size)
        sides = answers(generator, item, np.zeros((1, 2 * k)))[0]
        first, second = sides[:k].mean(axis=0), sides[k:].mean(axis=0)
        pooled = sides[:k].ravel().astype(np.float64)  # all rows of all seeds, as `scores.accuracy` does
        alone = clustered_mean(pooled, np.tile(groups, k), confidence=LEVEL, proportion=True)
        counts["mean"] += alone.low <= truth <= alone.high
        pair = paired_difference(
            dict(zip(keys, first, strict=True)), dict(zip(keys, second, strict=True)), cluster_of, confidence=LEVEL,
            draws=199, seed=study,
        )  # fmt: skip
        counts["difference"] += pair.estimate.low <= 0 <= pair.estimate.high
        counts["permutation"] += pair.p_value <= 1 - LEVEL
    return {
        "coverage_question_mean": counts["mean"] / studies,
        "coverage_paired_difference": counts["difference"] / studies,
        "false_permutation": counts["permutation"] / studies,
    }


def cells(studies: int, seed: int, training_sd: float) -> Iterator[dict[str, Any]]:
    """All cells, each with a stream of random numbers of its own."""
    streams = iter(np.random.SeedSequence(seed).spawn(64))
    for k in SEEDS:
        for clusters, size in ((1000, 1), (788, 5)):
            for sd in (0.0, training_sd):
                head = {"kind": "verdict", "K": k, "unit": "training seed" if sd else "evaluation seed",
                        "questions": clusters * size, "clusters": clusters, "studies": studies}  # fmt: skip
                generator = np.random.default_rng(next(streams))
                yield head | verdict_cell(generator, studies, k, clusters, size, sd)
        for clusters, size in ((300, 1), (60, 5)):
            head = {"kind": "questions", "K": k, "unit": "question", "questions": clusters * size,
                    "clusters": clusters, "studies": studies}  # fmt: skip
            yield head | question_cell(np.random.default_rng(next(streams)), studies, k, clusters, size)


def main() -> None:
    """Run all cells and write calibration.csv and calibration.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--training-sd", type=float, default=0.08, help="on the logit: about one point")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for row in cells(options.studies, options.seed, options.training_sd):
        rows.append(row)
        print(json.dumps(row), flush=True)
    table = pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_atomically(options.out / "calibration.csv", table)
    asked = {"studies": options.studies, "seed": options.seed, "training_sd": options.training_sd}
    facts = {"asked": asked, "level": LEVEL, "margin": MARGIN, "shift": SHIFT, "lenient": LENIENT, "made": made()}
    write_atomically(options.out / "calibration.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
