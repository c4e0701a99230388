"""The scores that `vr1repro grade` prints, with their intervals: `OUT.scores.json` beside a file of verdicts."""

import json
import math
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.benchmarks.questions import read_questions
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.attempts import keep_last
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read
from vr1repro.core.records import Verdict
from vr1repro.evaluation.scores import ACCURACY, SAMPLES, WORST_CASE, Score
from vr1repro.reporting.run.scores import accuracy
from vr1repro.reporting.run.units import scored
from vr1repro.reporting.statistics.estimate import Estimate

_OVERALL = "overall"


def scores_file(verdicts: Path) -> Path:
    """Where the scores of a file of verdicts lie."""
    return verdicts.with_name(f"{verdicts.name}.scores.json")


def write_scores(slug: str, profile: str, questions: Path, verdicts: Path, scores: Sequence[Score]) -> Path:
    """Write the scores of a file of verdicts with n, clusters, standard error and interval.

    Args:
        slug: The benchmark.
        profile: The scoring profile.
        questions: The benchmark's questions.
        verdicts: What was graded; the scores come beside it.
        scores: Of these verdicts.

    Returns:
        The file written.
    """
    settings = ReportSettings()
    frame = _rows(slug, questions, verdicts)
    content = {
        "benchmark": slug,
        "profile": profile,
        "confidence": settings.confidence,
        "scores": [_described(score, _estimate(slug, score, frame, settings)) for score in scores],
    }
    path = scores_file(verdicts)
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def _rows(slug: str, questions: Path, verdicts: Path) -> pd.DataFrame:
    """The verdicts that count as tidy rows, with the cells that each counts in."""
    benchmark, by_id = lookup.facts(slug), read_questions(lookup.facts(slug), questions)
    rows: list[dict[str, Any]] = []
    for verdict in _counting(read(verdicts, Verdict)):
        question = by_id[verdict.id]
        rows.append(
            {
                **{name: (verdict.model_extra or {}).get(name) for name in SAMPLES},
                "benchmark": slug,
                "id": verdict.id,
                "cluster": benchmark.cluster(question),
                "stratum": benchmark.stratum(question),
                "units": benchmark.units(question),
                "verdict": verdict.verdict.value,
                "correct": verdict.correct,
                "cells": frozenset(benchmark.groups(question)),
            }
        )
    return pd.DataFrame(rows).astype({"correct": object})


def _counting(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The last attempts of those that name one, by question and sample, and all others (`evaluation.scores.Tally`)."""
    kept: dict[Hashable, Verdict] = {}
    for number, verdict in enumerate(verdicts):
        extra = verdict.model_extra or {}
        sample = (verdict.id, *(extra.get(name) for name in SAMPLES))
        keep_last(kept, number if extra.get("attempt") is None else sample, verdict)
    return list(kept.values())


def _estimate(slug: str, score: Score, frame: pd.DataFrame, settings: ReportSettings) -> Estimate:
    """A score with its error; one that is no mean of strata is taken as the plain mean that `grade` prints."""
    if score.metric == ACCURACY and score.group == WORST_CASE:
        whole = scored(with_unit(frame, list(frame["cluster"])))
        return accuracy(whole.assign(stratum="all"), settings)
    rows = frame
    if score.group != _OVERALL:
        rows = frame[[(score.group, score.name) in cells for cells in frame["cells"]]]
    names = [part.name for part in lookup.facts(slug).parts]
    if score.metric in names:
        place = names.index(score.metric)
        rows = scored(with_unit(rows, [units[place] for units in rows["units"]]))
        return accuracy(rows.assign(stratum="all"), settings)
    if not names and (score.group != _OVERALL or (rows["stratum"] == EXCLUDED).all()):
        rows = rows.assign(stratum="all")
    return accuracy(rows, settings)


def with_unit(rows: pd.DataFrame, units: Sequence[str | None]) -> pd.DataFrame:
    """Rows that make units of one part: the unit of each row, None where it makes none."""
    return rows.assign(units=pd.Series([(unit,) for unit in units], rows.index, object))


def _described(score: Score, estimate: Estimate) -> dict[str, Any]:
    return {
        **score.model_dump(exclude={"low", "high", "note"}),
        "bounds": [score.low, score.high],
        "clusters": estimate.clusters,
        "stderr": _finite(estimate.stderr),
        "interval": [_finite(estimate.low), _finite(estimate.high)],
        "method": estimate.method,
        "note": score.note,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
