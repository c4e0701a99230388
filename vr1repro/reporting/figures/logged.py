"""Figure 1 D to F from logs of runs that we did not make, beside the paper's digitised curves."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.figures.curves import CURVE_ARMS, draw_paper_curve, draw_stages, stage_style
from vr1repro.reporting.figures.marks import GHOST_LINE, say_missing
from vr1repro.reporting.figures.panels import draw_reference, draw_stage_border, paper_values, set_title
from vr1repro.reporting.figures.style import HOLLOW, grid, new_figure, say
from vr1repro.reporting.logged.keys import VALIDATION
from vr1repro.reporting.run.arms import smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = (
    ("D", "Mean CoT length in RL", "Completion tokens"),
    ("E", "Accuracy as logged", "Accuracy (%)"),
    ("F", "Reward in RL", "Reward"),
)
_NOTE = (
    "A step is a rollout. E: filled markers are a run's own validation set, hollow ones its training rollouts where no"
    " validation was logged."
)
_PAPER_NOTE = "Grey and hollow: the paper, digitised; its E is the mean of three benchmarks."


def logged_figure(
    logs: Mapping[str, pd.DataFrame], settings: ReportSettings, *, paper: bool = True, width: float | None = None
) -> "Figure":
    """Draw panels D to F.

    Args:
        logs: Rows of `steps.jsonl` by the run's name; a name of the paper's arms (`zero`, `long`, `vision-r1`) has
            its colours.
        paper: Draw the paper's curves too.
        width: Inches; a two-column figure's where left out.
    """
    width = width or settings.page_width
    rows, columns = grid(3, width, 2.0)
    figure, axes = new_figure(width, 0.8 + (2.0 if columns > 1 else 1.45) * rows, rows, columns)
    draw: Mapping[str, Callable[..., bool]] = {
        "D": partial(_curve, column="mean_length"),
        "E": _accuracy,
        "F": partial(_curve, column="reward"),
    }
    for panel, (letter, title, label) in zip(axes, _PANELS, strict=True):
        set_title(panel, letter, title)
        drawn = [draw[letter](panel, log, partial(_style, name, logs), settings) for name, log in logs.items()]
        if not any(drawn):
            say_missing(panel, "not logged")
        if paper:
            _paper(panel, letter)
        for log in logs.values():
            for border in log.groupby("stage")["step"].max().iloc[:-1]:
                draw_stage_border(panel, border)
        panel.set_xlabel("RL steps")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=min(0.0, panel.dataLim.y0))  # others' rewards may be negative
    _legend(figure, logs, paper)
    say(figure, f"{_NOTE} {_PAPER_NOTE}" if paper else _NOTE)
    return figure


def _style(name: str, logs: Mapping[str, pd.DataFrame], stage: int) -> dict[str, Any]:
    return stage_style(name, stage, list(logs))


def _curve(
    axes: "Axes", log: pd.DataFrame, style_of: Callable[[int], dict[str, Any]], settings: ReportSettings, column: str
) -> bool:
    """Draw the window means of a column. Returns whether the log has it."""
    if column not in log or log[column].isna().all():
        return False
    draw_stages(axes, smoothed(log, column, settings.points_per_curve, int(log["step"].max())), style_of)
    return True


def _accuracy(
    axes: "Axes", log: pd.DataFrame, style_of: Callable[[int], dict[str, Any]], settings: ReportSettings
) -> bool:
    """Draw the accuracy on the run's validation set, point by point, or else that of its rollouts."""
    in_percent = log.assign(**{name: 100 * log[name] for name in (VALIDATION, "accuracy") if name in log})
    if VALIDATION not in log or log[VALIDATION].isna().all():
        return _curve(axes, in_percent, lambda stage: style_of(stage) | {"mfc": HOLLOW}, settings, "accuracy")
    logged = in_percent[in_percent[VALIDATION].notna()]
    points = logged.assign(value=logged[VALIDATION], seeds=1)
    draw_stages(axes, points, style_of)
    return True


def _paper(axes: "Axes", letter: str) -> None:
    for name in CURVE_ARMS:
        arms = (name, "vision-r1-stage3") if name == "vision-r1" else (name,)
        values = [value for arm in arms for value in paper_values(letter, arm=arm) if value.step is not None]
        draw_paper_curve(axes, name, [(float(value.step or 0), value) for value in values])
    if letter == "E":
        draw_reference(axes)


def _legend(figure: "Figure", logs: Mapping[str, pd.DataFrame], paper: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for name, log in logs.items():
        stages = sorted(log["stage"].unique()) if name.startswith("vision-r1") else [1]
        for stage in stages:
            label = f"{name} stage {stage}" if len(stages) > 1 else name
            handles.append(Line2D([], [], label=label, **_style(name, logs, int(stage))))
    if paper:
        handles.append(Line2D([], [], marker="o", linestyle=":", mfc="none", label="paper", **GHOST_LINE))
    figure.legend(handles=handles, loc="outside upper center", ncols=4 if figure.get_figwidth() > 5 else 2, fontsize=6)
