"""What a score is a mean of: responses, or for MME and HallusionBench units of responses that must all be right.

Their scores are put together from shares (`benchmarks.base.Part`): of questions, of pictures with both questions right,
of figures, of question pairs. Each share is a stratum here, and a unit is a row of it with its own cluster, so that
every estimate of a mean of strata holds for them as it is. A share counts as much as any other.
"""

import numpy as np
import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.core.records import Outcome

# What tells responses of one question apart.
_SAMPLES = ["model", "arm", "train_seed", "stage", "step", "final", "benchmark", "protocol", "profile", "eval_seed"]
_PART = "part "  # what the strata of units begin with


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows that a score is a mean of, in the columns of tidy rows; those of other benchmarks stay as they are.

    A unit is right where all its rows are, wrong where one is, else unparsable where one is, else without a verdict.
    """
    if "units" not in frame.columns:
        return frame
    put_together = np.fromiter((bool(units) for units in frame["units"]), dtype=bool, count=len(frame))
    if not put_together.any():
        return frame
    rows = frame[put_together]
    places = range(max(len(units) for units in rows["units"]))
    parts = [_units_of(rows, place) for place in places]
    return pd.concat([frame[~put_together], *parts], ignore_index=True)[list(frame.columns)]


def _units_of(rows: pd.DataFrame, place: int) -> pd.DataFrame:
    """The units of one part, a row each."""
    names = pd.Series([units[place] if place < len(units) else None for units in rows["units"]], rows.index, object)
    # A figure and a question of one set may have one name.
    rows = rows.assign(id=f"{place}:" + names)[names.notna()]
    verdict = rows["verdict"] if "verdict" in rows.columns else pd.Series(None, rows.index, object)
    correct, unparsable = rows["correct"], verdict == Outcome.UNPARSABLE.value
    rows = rows.assign(
        stratum=[f"{_PART}{place}: {stratum}" for stratum in rows["stratum"]],
        units=pd.Series([()] * len(rows), rows.index, object),
        _wrong=(correct == False).to_numpy() & ~unparsable.to_numpy(),  # noqa: E712 - elementwise, None is neither
        _unparsable=unparsable.to_numpy(),
        _open=correct.isna().to_numpy(),
    )
    marks = ("_wrong", "_unparsable", "_open")
    keys = [*(name for name in _SAMPLES if name in rows.columns), "stratum", "id"]
    others = {name: (name, "first") for name in rows.columns if name not in (*keys, "correct", "verdict", *marks)}
    made = rows.groupby(keys, sort=False, dropna=False).agg(**others, **{mark: (mark, "any") for mark in marks})
    made = made.reset_index()
    outcomes = [_outcome(*row) for row in made[list(marks)].itertuples(index=False)]
    made = made.assign(correct=pd.Series([outcome.correct for outcome in outcomes], made.index, object))
    return made.assign(verdict=[outcome.value for outcome in outcomes]).reindex(columns=list(rows.columns))


def _outcome(wrong: bool, unparsable: bool, left_open: bool) -> Outcome:
    if wrong:
        return Outcome.WRONG
    return Outcome.UNPARSABLE if unparsable else Outcome.JUDGE_ERROR if left_open else Outcome.RIGHT


def maximum(benchmark: str, rows: pd.DataFrame) -> float:
    """What a benchmark's score on scored rows is out of: 100, or as many shares as are added."""
    return lookup.facts(benchmark).maximum(rows["stratum"].nunique()) if has_units(rows) else 100.0


def has_units(rows: pd.DataFrame) -> bool:
    """Whether some of scored rows are units."""
    return any(str(stratum).startswith(_PART) for stratum in rows["stratum"].unique())
