"""What a benchmark's own columns say about a question: its cluster, its stratum, its sub-scores and its class."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import Benchmark, Question
from vr1repro.benchmarks.questions import question_rows
from vr1repro.core.errors import UserError


def read_questions(folder: Path, slug: str, class_of: str | None = None) -> pd.DataFrame:
    """One row a question: id, cluster, stratum, units, subsets (tuple of names), klass, question, answer.

    Args:
        folder: The benchmark's files of questions.
        slug: The benchmark.
        class_of: What the classes of the per-class figure are: a group of the benchmark's scores (`task`,
            `difficulty`, ...), or else a column, dots entering structures.

    Raises:
        UserError: There is no file, or the same id stands twice.
    """
    benchmark = lookup.facts(slug)
    frame = pd.DataFrame([_describe(key, row, benchmark, class_of) for key, row in question_rows(benchmark, folder)])
    if (twice := frame["id"][frame["id"].duplicated()]).size:
        raise UserError(f"{folder}: the id {twice.iloc[0]!r} stands twice; ids must be unique in a benchmark")
    return frame


def subset_name(benchmark: Benchmark, group: str, name: str) -> str:
    """The short name of a sub-score: the paper's where it prints one, else `group-name`."""
    printed = benchmark.printed.get((group, name))
    return printed or re.sub(r"[^a-z0-9]+", "-", f"{group} {name}".lower()).strip("-")


def _describe(key: str, row: Question, benchmark: Benchmark, class_of: str | None) -> dict[str, Any]:
    groups = list(benchmark.groups(row))
    klass = dict(groups).get(class_of, _dig(row, class_of)) if class_of else None
    return {
        "id": key,
        "cluster": benchmark.cluster(row),
        "stratum": benchmark.stratum(row),
        "units": benchmark.units(row),
        "subsets": tuple(dict.fromkeys(subset_name(benchmark, group, name) for group, name in groups)),
        "klass": None if klass is None else str(klass),
        **stated(row),
    }


def stated(row: Mapping[str, Any]) -> dict[str, str]:
    """The text of a question and its gold answer, in the words of its row."""
    return {
        "question": str(row.get("question") or row.get("query_wo") or row.get("query") or ""),
        "answer": _gold(row),
    }


def _gold(row: Mapping[str, Any]) -> str:
    names = ("answer", "ground_truth", "solution", "gt_answer", "label")
    value = next((row[name] for name in names if row.get(name)), "")
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _dig(row: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(row, Mapping):
            return None
        row = row.get(part)
    return row if isinstance(row, str | int | float) else None
