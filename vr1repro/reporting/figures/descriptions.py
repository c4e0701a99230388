"""What descriptions owe to Pseudo-CoT: the comparison behind v1 Fig. 3 (v4 Fig. 5), counted instead of shown once."""

from typing import TYPE_CHECKING

import numpy as np

from vr1repro.coldset.records import ABLATION, Compared
from vr1repro.core.jsonl import read
from vr1repro.core.records import Outcome
from vr1repro.published import load_values
from vr1repro.reporting.figures.marks import BAR_ERRORS, errors, note, say_missing
from vr1repro.reporting.figures.style import DARK_BLUE, SKY_BLUE, new_figure, say
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.statistics.estimate import Estimate, clustered_mean
from vr1repro.reporting.statistics.paired import paired_difference
from vr1repro.reporting.statistics.rounding import fixed, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER_FIGURE = "Fig. 3"  # in v1's numbering, as in `published`
_SIDES = ("without", "with")


def compared_descriptions(results: Results) -> list[Compared]:
    """The problems that were described both ways; empty where none was."""
    path = results.coldset / ABLATION
    return list(read(path, Compared)) if path.exists() else []


def descriptions(results: Results, width: float | None = None) -> "Figure":
    """How often either description leads the reasoner to the right answer, and how long they are."""
    figure, axes = new_figure(width or results.settings.page_width, 2.2, 1, 2)
    rows = compared_descriptions(results)
    printed = "; ".join(f"{value.subset}: {value.value}" for value in load_values() if value.table == PAPER_FIGURE)
    text = f"The paper shows one chart (v1 Fig. 3, v4 Fig. 5), an example that is no count: {printed}."
    if not rows:
        for panel in axes:
            say_missing(panel, "no descriptions were compared (coldset.ablated)")
    else:
        right = [[float(side.outcome is Outcome.RIGHT) for side in (row.without, row.with_pseudo_cot)] for row in rows]
        words = [[side.words for side in (row.without, row.with_pseudo_cot)] for row in rows]
        _bars(axes[0], [_mean(column, results, share=True) for column in np.array(right).T], "Right answers (%)")
        _bars(axes[1], [_mean(column, results) for column in np.array(words).T], "Words of the description")
        keys = [f"{row.source}/{row.id}" for row in rows]
        gain = paired_difference(
            dict(zip(keys, (pair[1] for pair in right), strict=True)),
            dict(zip(keys, (pair[0] for pair in right), strict=True)),
            dict(zip(keys, keys, strict=True)),
            confidence=results.settings.confidence,
            draws=results.settings.bootstrap_draws,
            seed=results.settings.seed,
        ).estimate.scaled(100)
        only = [sum(pair == [1.0 - k, float(k)] for pair in right) for k in (0, 1)]
        text = (
            f"{len(rows)} problems described both ways. With Pseudo-CoT {fixed(gain.value, 1, signed=True)} points"
            f" {interval(gain.low, gain.high, 1)}; right with it alone {only[1]}, without it alone {only[0]}. {text}"
        )
    say(figure, note(results, text))
    return figure


def _mean(values: np.ndarray, results: Results, *, share: bool = False) -> Estimate:
    confidence = results.settings.confidence
    estimate = clustered_mean(values, range(len(values)), confidence=confidence, proportion=share)
    return estimate.scaled(100) if share else estimate


def _bars(panel: "Axes", estimates: list[Estimate], label: str) -> None:
    values = [estimate.value for estimate in estimates]
    panel.bar(_SIDES, values, yerr=errors(estimates), color=[SKY_BLUE, DARK_BLUE], width=0.6, **BAR_ERRORS)
    panel.set_xlabel("Pseudo-CoT")
    panel.set_ylabel(label)
    panel.set_ylim(bottom=0)
