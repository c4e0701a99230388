"""The best of an arm's last checkpoints, as `selected.json` names them, and what its score owes to the choice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.config.plan import SELECTED
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.evaluation.selection import PROTOCOL, Selection
from vr1repro.reporting.run.scores import graded
from vr1repro.reporting.statistics.estimate import pair_codes

_DIGITS = 12  # behind the point: shares that differ further out are equal, whatever order added them


def read_selections(run: Path) -> list[Selection]:
    """Every choice of a run, by arm and training seed.

    Raises:
        UserError: A file is bad; the message names it.
    """
    selections = []
    for path in sorted((run / "eval").glob(f"*/{SELECTED}")):
        try:
            selections.append(Selection.model_validate_json(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise UserError(f"{path}: {where}: {first['msg']}; delete it, and the workflow chooses again") from None
    return selections


def deciding_rows(frame: pd.DataFrame, selection: Selection, slugs: Sequence[str]) -> pd.DataFrame:
    """The rows of some candidates by which the best was chosen: one answer a question.

    Args:
        frame: Tidy rows of all protocols and profiles.
        selection: The choice.
        slugs: Of the candidates.
    """
    return frame[
        frame["model"].isin(slugs)
        & frame["benchmark"].isin(selection.best.scores)
        & (frame["protocol"] == PROTOCOL)
        & (frame["profile"] == selection.profile)
        & (frame["eval_seed"] == selection.eval_seed)
    ]


def held_out(frame: pd.DataFrame, selection: Selection, settings: ReportSettings) -> float | None:
    """What the choice is worth where it was not made: chosen on half of the problems, scored on the other half.

    The mean over random halves, problems and pictures whole. A little below what choosing on all of them would give,
    for half of them choose less well; the best's own score lies above it by what the choice adds by chance.

    Args:
        frame: Tidy rows of all protocols and profiles.
        selection: The choice.
        settings: Draws and their seed.

    Returns:
        Mean accuracy in percent; None where the candidates did not answer the same questions, or too few.
    """
    slugs = [candidate.slug for candidate in selection.candidates]
    rows = deciding_rows(frame, selection, slugs)
    rows = graded(rows[rows["stratum"] != EXCLUDED])
    rows = rows.assign(right=rows["correct"].astype("float64"))
    table = rows.pivot_table(index=["benchmark", "id"], columns="model", values="right")
    if table.empty or table.isna().to_numpy().any() or set(table.columns) != set(slugs):
        return None
    questions = rows.drop_duplicates(["benchmark", "id"]).set_index(["benchmark", "id"]).loc[table.index].reset_index()
    benchmarks = questions["benchmark"].to_numpy()
    clusters = pair_codes(benchmarks, questions["cluster"].to_numpy())
    groups = list(dict.fromkeys(zip(benchmarks, questions["stratum"], strict=True)))
    of_group = np.array([groups.index(pair) for pair in zip(benchmarks, questions["stratum"], strict=True)])
    inside = (of_group == np.arange(len(groups))[:, None]).astype(np.float64)  # (groups, questions)
    strata = [sum(other == benchmark for other, _ in groups) for benchmark, _ in groups]
    shares = 1.0 / (np.array(strata) * len({benchmark for benchmark, _ in groups}))
    right, generator, values = table[slugs].to_numpy(), np.random.default_rng(settings.seed), []
    for _ in range(settings.bootstrap_draws):
        half = generator.permutation(clusters.max() + 1)[clusters] % 2 == 0
        scores = []
        for part in (half, ~half):
            sizes = (inside * part).sum(axis=1)
            if not sizes.all():
                break
            hits = (inside * part) @ right  # whole numbers: exact in whatever order a processor adds
            scores.append((shares[:, None] * (hits / sizes[:, None])).sum(axis=0))
        else:
            first, second = scores
            values += [second[_later(first)], first[_later(second)]]
    return 100 * float(np.mean(values)) if values else None


def _later(scores: np.ndarray) -> int:
    """Index of the highest; of equals the last, as `evaluation.selection.best_of` has it."""
    return int(len(scores) - 1 - np.argmax(np.round(scores[::-1], _DIGITS)))
