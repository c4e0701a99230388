"""The measured errors of a benchmark's scorer, and a run's scores as the scorer that it stands for would give them."""

from collections import Counter
from collections.abc import Hashable
from functools import cache
from typing import Any

import pandas as pd
from pydantic import ValidationError

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.reporting.statistics.scorer_error import Corrected, ScorerErrors, corrected

FILE = "scorer_errors.json"


@cache
def scorer_errors(benchmark: str) -> ScorerErrors | None:
    """What was measured of a benchmark's scorer; None where nobody has measured one.

    Raises:
        UserError: The file is bad.
    """
    path = benchmark_folders.folder_of(benchmark) / FILE
    if not path.exists():
        return None
    try:
        return ScorerErrors.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise UserError(f"{path}: not a table of scorer errors: {error.errors()[0]['msg']}") from None


def as_the_other_scorer(rows: pd.DataFrame, benchmark: str, profile: str, confidence: float) -> Corrected | None:
    """The score that the scorer which `profile` stands for would give.

    Args:
        rows: Of one arm and one benchmark under `profile`.

    Returns:
        None where the profile's errors were not measured.
    """
    errors = scorer_errors(benchmark)
    if errors is None or errors.profile != profile:
        return None
    counted = rows[rows["stratum"] != EXCLUDED]
    pairs: Counter[tuple[str, str]] = Counter(
        (_kind(names, errors.kinds), verdict)
        for names, verdict in zip(counted["subsets"], counted["verdict"], strict=True)
    )
    counts: dict[str, dict[str, int]] = {}
    for (kind, verdict), n in sorted(pairs.items()):
        counts.setdefault(kind, {})[verdict] = n
    return corrected(counts, errors.files, confidence)


def _kind(names: Any, prefix: str) -> str:
    kinds: list[Hashable] = [name for name in names if str(name).startswith(f"{prefix}-")]
    return str(kinds[0]) if kinds else ""
