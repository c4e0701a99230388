"""`scores.csv`: every score of every arm and checkpoint with its error."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.files import write_atomically
from vr1repro.reporting.run.scores import accuracy, average_weights, open_shares, pick, tokens
from vr1repro.reporting.statistics.estimate import Weights
from vr1repro.reporting.tables.render import frame_csv

_GROUP = ["arm", "stage", "step", "final", "benchmark", "protocol", "profile"]
AVERAGE = "average"


def score_table(frame: pd.DataFrame, settings: ReportSettings) -> pd.DataFrame:
    """Every score of every arm and checkpoint, one row for each benchmark and subset and for each model's average.

    Columns: arm, stage, step, final, benchmark, subset, protocol, profile, metric (`accuracy_%`, MME's `score`, or
    `tokens`), the fields of `Estimate`, train_seeds, eval_seeds, seed_low and seed_high (range of the training seeds'
    means), unparsable_% and ungraded_% (no answer that could be read; no verdict) with the bounds that they leave,
    clipped_% (stopped by the token limit).
    """
    rows: list[dict[str, Any]] = []
    for key, group in frame.groupby(_GROUP, sort=True, dropna=False):
        head = dict(zip(_GROUP, key, strict=True))
        names = sorted({name for names in group["subsets"] for name in names})
        for subset in ("overall", *names):
            rows.extend(_score_rows(pick(group, subset), head | {"subset": subset}, settings))
    keys = [name for name in _GROUP if name != "benchmark"]
    for key, group in frame.groupby(keys, sort=True, dropna=False):
        benchmarks = sorted(group["benchmark"].unique())
        if len(benchmarks) > 1:
            head = dict(zip(keys, key, strict=True)) | {"benchmark": AVERAGE, "subset": "+".join(benchmarks)}
            rows.extend(_score_rows(group, head, settings, average_weights(group)))
    return pd.DataFrame(rows)


def _score_rows(
    rows: pd.DataFrame, head: Mapping[str, Any], settings: ReportSettings, weights: Weights | None = None
) -> Iterator[dict[str, Any]]:
    if (rows["stratum"] == EXCLUDED).all():  # an ablation of MathVerse: its own row, never part of the overall score
        rows = rows.assign(stratum="all")
    estimate = accuracy(rows, settings, weights)
    seeds = rows["train_seed"].nunique()
    by_seed = [estimate.value]  # what one seed's own would be
    if seeds > 1:
        by_seed = [accuracy(part, settings, weights).value for _, part in rows.groupby("train_seed")]
    shares = open_shares(rows, weights)
    facts = {
        "train_seeds": seeds,
        "eval_seeds": rows["eval_seed"].nunique(),
        "seed_low": min(by_seed),
        "seed_high": max(by_seed),
        "unparsable_%": shares.unparsable,
        "ungraded_%": shares.ungraded,
        "bound_low": shares.low,
        "bound_high": shares.high,
        "clipped_%": 100 * int((rows["finish_reason"] == "length").sum()) / len(rows),
    }
    summed = head["benchmark"] != AVERAGE and lookup.facts(head["benchmark"]).summed
    yield {**head, "metric": "score" if summed else "accuracy_%", **estimate.as_dict(), **facts}
    length = tokens(rows, settings)
    if length is not None:
        means = rows.groupby("train_seed")["n_tokens"].mean()
        spread = {"seed_low": float(means.min()), "seed_high": float(means.max())}
        yield {**head, "metric": "tokens", **length.as_dict(), **facts, **spread}


def write_scores(path: Path, table: pd.DataFrame) -> None:
    """Write `scores.csv`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, frame_csv(table))
