"""Figure 1 D-F: length, accuracy and reward over the RL steps, with the paper's digitised curves as ghosts."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vr1repro.published import PublishedValue
from vr1repro.published.targets import THREE
from vr1repro.reporting.figures.marks import GHOST_LINE, errors, say_missing
from vr1repro.reporting.figures.panels import draw_reference, draw_stage_border, paper_values, set_title
from vr1repro.reporting.figures.style import EDGE, GREEN, HIGHLIGHT, STAGE_COLOURS, arm_style, twin
from vr1repro.reporting.run.arms import ArmInfo, smoothed, trajectory
from vr1repro.reporting.run.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_ARMS = ("zero", "long", "vision-r1")
_PAPER_STEPS = 100  # of each PTST stage
_PAPER_END = 300


def length(axes: "Axes", results: Results) -> None:
    """Panel D."""
    set_title(axes, "D", "Mean CoT length in RL")
    _logged(axes, results, "mean_length", "D", "Completion tokens")


def reward(axes: "Axes", results: Results) -> None:
    """Panel F."""
    set_title(axes, "F", "Reward in RL")
    _logged(axes, results, "reward", "F", "Reward")


def curve_arms(results: Results) -> list[ArmInfo]:
    """Zero, Long and Vision-R1, the last with its third stage where that was trained."""
    arms = [results.arms[name] for name in CURVE_ARMS if name in results.arms]
    third = results.arms.get("vision-r1-stage3")
    if third is not None and third.stages:
        log = results.log(third)
        if len(log) and log["stage"].max() == third.stages[-1].number:
            arms = [third if arm.name == "vision-r1" else arm for arm in arms]
    return arms


def _logged(axes: "Axes", results: Results, column: str, letter: str, label: str) -> None:
    ghosts = axes if results.comparable else twin(axes, "Paper (digitised)")
    shown = False
    for arm in curve_arms(results):
        log = results.log(arm)
        if log.empty or column not in log:
            continue
        shown = True
        points = smoothed(log, column, results.settings.points_per_curve, arm.last_step)
        draw_stages(axes, points, partial(stage_style, arm.name))
    _draw_ghosts(ghosts, results, letter)
    _stage_borders(axes, results)
    if not shown:
        say_missing(axes, "no training log")
    axes.set_xlabel("RL steps")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)


def draw_stages(axes: "Axes", points: pd.DataFrame, style_of: Callable[[int], dict[str, Any]]) -> None:
    """Draw the means of a logged column (`smoothed`), each stage in its style, with the range of training seeds."""
    for stage, part in points.groupby("stage"):
        style = style_of(int(part["stage"].iloc[0]))
        # The line enters a stage from the last point of the stage before.
        before = points[points["stage"] < stage].tail(1)
        x = [*before["step"], *part["step"]]
        axes.plot(x, [*before["value"], *part["value"]], **style)
        if (part["seeds"] > 1).any():
            colour = style["color"]
            axes.fill_between(part["step"], part["seed_low"], part["seed_high"], color=colour, alpha=0.15, lw=0)


def accuracy(axes: "Axes", results: Results) -> None:
    """Panel E."""
    set_title(axes, "E", "Mean benchmark accuracy")
    benchmarks = [name for name in THREE if name in results.benchmarks]
    for arm in curve_arms(results):
        points = trajectory(results.headline, arm, results.settings, benchmarks, results.arms) if benchmarks else []
        for number in sorted({point.stage for point in points} - {0}):
            part = [point for point in points if point.stage == number]
            before = [point for point in points if point.stage < number][-1:]
            line = [*before, *part]
            estimates = [point.estimate for point in line]
            axes.errorbar(
                [point.step for point in line],
                [estimate.value for estimate in estimates],
                yerr=errors(estimates),
                ecolor=EDGE,
                elinewidth=0.4,
                capsize=1,
                **stage_style(arm.name, number),
            )
    ours = results.arms.get("vision-r1")
    for arm_name, step in (("ci", 0), ("vision-r1", ours.last_step if ours else 0)):
        estimate = results.average(arm_name, tuple(benchmarks)) if benchmarks else None
        if estimate is not None:
            # Above the curves' own markers, which end in the same points.
            (star,) = axes.plot(step, estimate.value, "*", color=HIGHLIGHT, markersize=8, markeredgecolor=EDGE)
            star.set(markeredgewidth=0.4, zorder=10)
    if not benchmarks:
        say_missing(axes, "no checkpoint was evaluated")
    _draw_ghosts(axes, results, "E")
    draw_reference(axes)
    _stage_borders(axes, results)
    axes.set_xlabel("RL steps")
    axes.set_ylabel("Accuracy (%)")


def stage_style(arm: str, stage: int, others: Sequence[str] = CURVE_ARMS) -> dict[str, Any]:
    """Vision-R1 changes colour with its stage, as in the paper; the third is dashed.

    Args:
        others: All arms of the figure, for the style of one that the paper has not.
    """
    if not arm.startswith("vision-r1"):
        return arm_style(arm, list(others))
    style = arm_style("vision-r1", [])
    marker = {1: "^", 2: "D", 3: "v"}.get(stage, "^")
    return style | {
        "color": STAGE_COLOURS.get(stage, GREEN),
        "marker": marker,
        "linestyle": "--" if stage > 2 else "-",
    }


def _draw_ghosts(axes: "Axes", results: Results, letter: str) -> None:
    for name in CURVE_ARMS:
        drawn = (name, "vision-r1-stage3") if name == "vision-r1" else (name,)
        values = [value for arm in drawn for value in paper_values(letter, arm=arm) if value.step is not None]
        if not results.comparable and "vision-r1-stage3" not in {arm.name for arm in curve_arms(results)}:
            # Without a third stage of ours there is no place on the axis for the paper's.
            values = [value for value in values if value.ptst_stage != 3 or name != "vision-r1"]
        draw_paper_curve(axes, name, [(_our_step(value, name, results), value) for value in values])


def draw_paper_curve(axes: "Axes", arm: str, points: Sequence[tuple[float, PublishedValue]]) -> None:
    """Draw a digitised curve of the paper: each value at a step of our axis."""
    points = sorted(points, key=lambda point: point[1].step or 0)
    marker = {"zero": "o", "long": "s", "vision-r1": "^"}[arm]
    x, y = [step for step, _ in points], [value.number for _, value in points]
    axes.plot(x, y, marker=marker, linestyle=":", mfc="none", **GHOST_LINE)


def _our_step(value: PublishedValue, name: str, results: Results) -> float:
    """A published step on our axis: itself where scales agree, else so that stage borders coincide."""
    step = float(value.step or 0)
    if results.comparable or name not in results.arms:
        return step
    arm = next((arm for arm in curve_arms(results) if arm.name.startswith(name)), results.arms[name])
    if name != "vision-r1":
        return step * arm.last_step / _PAPER_END
    borders = [0, *(stage.last_step for stage in arm.stages)]
    theirs = [_PAPER_STEPS * k for k in range(len(borders))]
    return float(np.interp(step, theirs, borders))


def _stage_borders(axes: "Axes", results: Results) -> None:
    arm = next((arm for arm in curve_arms(results) if arm.name.startswith("vision-r1")), None)
    for stage in arm.stages[:-1] if arm else ():
        draw_stage_border(axes, stage.last_step)
