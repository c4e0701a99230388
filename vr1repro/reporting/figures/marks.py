"""Marks that several figures share: error bars, what is missing, what a run is not evidence for."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vr1repro.reporting.figures.style import EDGE, FAINT, GHOST
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.statistics.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BAR_ERRORS: dict[str, Any] = {"ecolor": EDGE, "capsize": 1.5, "error_kw": {"elinewidth": 0.6, "capthick": 0.6}}
GHOST_BAR: dict[str, Any] = {"facecolor": "none", "edgecolor": GHOST, "linewidth": 0.9, "linestyle": "--"}
GHOST_LINE: dict[str, Any] = {"color": GHOST, "linewidth": 0.9, "markersize": 2.5, "alpha": 0.75}


def note(results: Results, text: str) -> str:
    """A figure's note, after what a micro run must say."""
    return text if results.comparable else f"{MICRO_NOTE}.\n{text}"


def say_missing(axes: "Axes", text: str) -> None:
    """Text in the middle of an empty panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT, wrap=True)


def errors(estimates: Sequence[Estimate]) -> np.ndarray:
    """Distances from value to interval ends, as matplotlib wants them: shape (2, n); none where there is no end."""
    ends = np.array([(e.value - e.low, e.high - e.value) for e in estimates], dtype=np.float64).reshape(-1, 2)
    return np.clip(np.where(np.isfinite(ends), ends, 0.0), 0.0, None).T
