"""The measured errors of a benchmark's scorers, and scores as the scorer that one stands for would give them."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.reporting.statistics.scorer_error import Corrected, ScorerErrors, corrected

FILE = "scorer_errors.json"


@cache
def packaged(benchmark: str) -> ScorerErrors | None:
    """What comes with a benchmark's folder; None where nobody has measured one of its scorers."""
    path = benchmark_folders.folder_of(benchmark) / FILE
    return read_errors(path) if path.exists() else None


def read_errors(path: Path) -> ScorerErrors:
    """A table that `vr1repro scorer-errors` wrote.

    Raises:
        UserError: It cannot be read, or is no such table.
    """
    try:
        return ScorerErrors.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: no table of scorer errors: {where}: {first['msg']}") from None


def errors_of(benchmark: str, profile: str, llm: str | None, mine: Iterable[ScorerErrors]) -> ScorerErrors | None:
    """The errors of a benchmark's scorer: those that the user measured, else those that come with the benchmark.

    Args:
        llm: Who extracts or judges in the run. Another LLM's errors say nothing of this one's.
        mine: `reporting.scorer_errors`.
    """
    tables = [*mine, *filter(None, (packaged(benchmark),))]
    fitting = [table for table in tables if (table.benchmark, table.profile) == (benchmark, profile)]
    return next((table for table in fitting if table.llm is None or table.llm == llm), None)


def as_the_other_scorer(rows: pd.DataFrame, errors: ScorerErrors | None, confidence: float) -> Corrected | None:
    """The score that the scorer which a profile stands for would give.

    Args:
        rows: Of one arm and one benchmark under the profile that `errors` is of.

    Returns:
        None where the profile's errors were not measured.
    """
    if errors is None:
        return None
    counted = rows[rows["stratum"] != EXCLUDED]
    kinds = {kind for file in errors.files for kind in file.counts}
    pairs: Counter[tuple[str, str]] = Counter(
        (next((name for name in names if name in kinds), ""), verdict)
        for names, verdict in zip(counted["subsets"], counted["verdict"], strict=True)
    )
    counts: dict[str, dict[str, int]] = {}
    for (kind, verdict), n in sorted(pairs.items()):
        counts.setdefault(kind, {})[verdict] = n
    return corrected(counts, errors.files, confidence)
