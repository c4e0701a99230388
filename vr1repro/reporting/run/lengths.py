"""Lengths of an arm's completions on the RL set, sampled from its end (`Avg. Len.` of v4 Table 3, v1 Table 4)."""

import re
from pathlib import Path

import pandas as pd

from vr1repro.config.plan import SLUG
from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.run.scores import last_responses
from vr1repro.reporting.statistics.estimate import Estimate, clustered_mean

COLUMNS = ["arm", "train_seed", "id", "n_tokens"]


def sampled_lengths(run: Path) -> pd.DataFrame:
    """Tokens of each completion, with arm, training seed and problem; one cut at the limit counts with the limit's.

    Empty where none was sampled.

    Raises:
        UserError: A row is bad.
    """
    rows = []
    for path in sorted((run / "lengths").glob("*/e*/responses.jsonl")):
        if slug := re.fullmatch(SLUG, path.parts[-3]):
            rows += [
                (slug["arm"], int(slug["seed"]), response.id, response.n_tokens)
                for response in last_responses(path).values()
                if response.n_tokens is not None
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def mean_length(rows: pd.DataFrame, settings: ReportSettings) -> tuple[Estimate, dict[int, list[float]]]:
    """Mean tokens of an arm, its error over problems, and the mean of each training seed.

    Args:
        rows: Of one arm; not empty.
        settings: Confidence.
    """
    parts = {int(seed): rows[rows["train_seed"] == seed] for seed in sorted(set(rows["train_seed"]))}
    estimate = clustered_mean(rows["n_tokens"].to_numpy(), rows["id"].to_numpy(), confidence=settings.confidence)
    return estimate, {seed: [float(part["n_tokens"].mean())] for seed, part in parts.items()}
