"""Figure 1 A-F in the paper's arrangement, from our responses and logs, with the published values as ghosts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vr1repro.published import PublishedValue, load
from vr1repro.published.targets import THREE
from vr1repro.reporting.arms import ArmInfo, smoothed, trajectory
from vr1repro.reporting.comparison import MICRO_NOTE
from vr1repro.reporting.results import Results
from vr1repro.reporting.statistics import Estimate
from vr1repro.reporting.style import (
    DARK_BLUE,
    EDGE,
    GHOST,
    GREEN,
    LIGHT_BLUE,
    ORANGE,
    SKY_BLUE,
    STAGE_COLOURS,
    arm_style,
    new_figure,
    say,
    twin,
)
from vr1repro.reporting.words import by_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAPER_BINS = ("0-4K", "4K-8K", "8K+")
_CURVE_ARMS = ("zero", "long", "vision-r1")
_PAPER_STEPS = 100  # of each PTST stage
_PAPER_END = 300
_AHA_TOP = 1000  # of the paper's panel C
_GHOST_LINE: dict[str, Any] = {"color": GHOST, "linewidth": 0.9, "markersize": 2.5, "alpha": 0.75}


def figure_one(results: Results) -> "Figure":
    """Draw Figure 1. A panel without data says what is missing."""
    figure, axes = new_figure(results.settings.page_width, 0.66 * results.settings.page_width, 2, 3)
    panels: Sequence[Callable[[Axes, Results], None]] = (_a, _b, _c, _d, _e, _f)
    for letter, draw, place in zip("ABCDEF", panels, axes, strict=True):
        draw(place, results)
        title = place.get_title()
        place.set_title("")
        place.set_title(f"{letter}  {title}", loc="left", fontweight="bold")
    _legend(figure, results)
    ghosts = "Grey and hollow: the paper (A-C printed labels, D-F digitised)"
    if results.comparable:
        say(figure, f"{ghosts}.")
    else:
        scaled = "on their own right axes in C, D and F, steps scaled so that stage borders coincide"
        say(figure, f"{MICRO_NOTE}.\n{ghosts}, {scaled}.")
    return figure


def _missing(axes: "Axes", text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GHOST)


def _published(figure: str, **wanted: object) -> list[PublishedValue]:
    return [
        value
        for value in load()
        if value.table == f"Fig. 1{figure}"
        and value.target is not None
        and all(getattr(value.target, key) == part for key, part in wanted.items())
    ]


def _error(estimates: Sequence[Estimate]) -> np.ndarray:
    """Distances from value to interval ends, as matplotlib wants them: shape (2, n)."""
    ends = [(e.value - e.low, e.high - e.value) for e in estimates]
    finite = np.array([[x if np.isfinite(x) else 0.0 for x in pair] for pair in ends])
    return np.clip(finite, 0, None).T if len(ends) else np.zeros((2, 0))


_ERROR: dict[str, Any] = {"ecolor": EDGE, "capsize": 1.5, "error_kw": {"elinewidth": 0.6, "capthick": 0.6}}
_GHOST_BAR: dict[str, Any] = {"facecolor": "none", "edgecolor": GHOST, "linewidth": 0.9, "linestyle": "--"}


def _a(axes: "Axes", results: Results) -> None:
    axes.set_title("CI on MathVerse")
    rows = results.final("ci")
    bars = by_length(rows[rows["benchmark"] == "mathverse"], results.settings) if len(rows) else []
    x = np.arange(max(len(bars), len(_PAPER_BINS)))
    for quantity, offset, colour, hatch in (
        ("proportion", -0.2, DARK_BLUE, ""),
        ("accuracy", 0.2, LIGHT_BLUE, "////"),
    ):
        drawn = [(k, share if quantity == "proportion" else hits) for k, (_, share, hits) in enumerate(bars)]
        found = [(k, estimate) for k, estimate in drawn if estimate is not None]
        estimates = [estimate for _, estimate in found]
        axes.bar(
            [k + offset for k, _ in found],
            [estimate.value for estimate in estimates],
            0.36,
            yerr=_error(estimates),
            color=colour,
            edgecolor=EDGE,
            linewidth=0.4,
            hatch=hatch,
            label=f"{quantity.capitalize()}",
            **_ERROR,
        )
        for k, label in enumerate(_PAPER_BINS):
            for value in _published("A", subset=f"length-{label}", quantity=quantity):
                axes.bar(k + offset, value.number, 0.36, **_GHOST_BAR)
    labels = [label for label, _, _ in bars] + [""] * (len(x) - len(bars))
    if not bars:
        _missing(axes, "CI was not evaluated on MathVerse")
        labels = list(_PAPER_BINS)
    elif tuple(labels[:3]) != _PAPER_BINS:
        labels = [f"{own}\n({paper})" for own, paper in zip(labels, (*_PAPER_BINS, *[""] * len(x)), strict=False)]
    axes.set_xticks(x, labels)
    axes.set_xlabel("Completion tokens" + ("" if results.comparable else " (paper's)"))
    axes.set_ylabel("Percent")
    axes.set_ylim(0, 100)
    axes.legend(loc="upper right")


def _b(axes: "Axes", results: Results) -> None:
    axes.set_title("MathVista accuracy")
    names = [arm for arm in ("base", "ci", "zero", "long", "vision-r1") if arm in results.evaluated]
    found = [(arm, estimate) for arm in names if (estimate := results.accuracy(arm, "mathvista")) is not None]
    estimates = [estimate for _, estimate in found]
    axes.bar(
        range(len(found)),
        [estimate.value for estimate in estimates],
        0.7,
        yerr=_error(estimates),
        color=SKY_BLUE,
        edgecolor=EDGE,
        linewidth=0.4,
        **_ERROR,
    )
    printed = {
        value.target.arm: value.number
        for value in load()
        if value.target is not None
        and (value.target.benchmark, value.target.subset, value.version) == ("mathvista", "overall", "v4")
        and value.target.quantity == "accuracy"
    }
    at = [(k, printed[arm]) for k, (arm, _) in enumerate(found) if arm in printed]
    axes.plot([k for k, _ in at], [value for _, value in at], "D", color="white", markeredgecolor=EDGE, markersize=4)
    quoted = [value for value in load() if value.table == "Fig. 1B" and (not found or value.target is None)]
    start = len(found)
    for k, value in enumerate(quoted):
        axes.bar(start + k, value.number, 0.7, **_GHOST_BAR)
    labels = [results.label(arm).removeprefix("Vision-R1-") for arm, _ in found] + [value.model for value in quoted]
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_ylabel("Accuracy (%)")
    axes.set_ylim(0, 100)


def _c(axes: "Axes", results: Results) -> None:
    settings = results.settings
    axes.set_title(f'"Aha", {settings.sampled_responses} of MathVerse')
    counts = results.sampled_words
    first = next((arm for arm in ("base-72b", "base") if arm in counts), "base")
    arms = [
        (first, DARK_BLUE, ""),
        ("zero", LIGHT_BLUE, "////"),
        ("long", GREEN, "...."),
        ("vision-r1", ORANGE, r"\\\\"),
    ]
    ghosts = axes if results.comparable else twin(axes, "Paper's count")
    words, width = settings.sampled_words, 0.2
    for k, (arm, colour, hatch) in enumerate(arms):
        x = np.arange(len(words)) + (k - 1.5) * width
        estimates = [counts[arm][word] for word in words] if arm in counts else []
        if estimates:
            axes.bar(
                x,
                [estimate.value for estimate in estimates],
                width,
                yerr=_error(estimates),
                color=colour,
                edgecolor=EDGE,
                linewidth=0.4,
                hatch=hatch,
                label=results.label(arm).removeprefix("Vision-R1-"),
                **_ERROR,
            )
        paper_arm = "base-72b" if k == 0 else arm
        for place, word in zip(x, words, strict=True):
            for value in _published("C", arm=paper_arm, subset=f"word-{word.lower()}"):
                ghosts.bar(place, value.number, width, **_GHOST_BAR)
    if not counts:
        _missing(axes, "no MathVerse responses")
    else:
        axes.legend(loc="upper center", ncols=2, handlelength=1.2, columnspacing=0.8)
        top = max(e.high for arm, _, _ in arms if arm in counts for w, e in counts[arm].items() if w in words)
        axes.set_ylim(0, max(1.0, top) * 1.45)
    ghosts.set_ylim(0, max(_AHA_TOP, ghosts.get_ylim()[1]))
    axes.set_xticks(range(len(words)), [f'"{word}"' for word in words], fontsize=6)
    axes.set_ylabel("Count")


def _d(axes: "Axes", results: Results) -> None:
    axes.set_title("Mean CoT length in RL")
    _logged(axes, results, "mean_length", "D", "Completion tokens")


def _f(axes: "Axes", results: Results) -> None:
    axes.set_title("Reward in RL")
    _logged(axes, results, "reward", "F", "Reward")


def _curves(results: Results) -> list[ArmInfo]:
    """Zero, Long and Vision-R1, the last with its third stage where that was trained."""
    arms = [results.arms[name] for name in _CURVE_ARMS if name in results.arms]
    third = results.arms.get("vision-r1-stage3")
    if third is not None and third.stages:
        log = results.log(third)
        if len(log) and log["stage"].max() == third.stages[-1].number:
            arms = [third if arm.name == "vision-r1" else arm for arm in arms]
    return arms


def _logged(axes: "Axes", results: Results, column: str, panel: str, label: str) -> None:
    ghosts = axes if results.comparable else twin(axes, "Paper (digitised)")
    shown = False
    for arm in _curves(results):
        log = results.log(arm)
        if log.empty or column not in log:
            continue
        shown = True
        points = smoothed(log, column, results.settings.points_per_curve, arm.last_step)
        for stage, part in points.groupby("stage"):
            style = _stage_style(arm, int(part["stage"].iloc[0]))
            # The line enters a stage from the last point of the stage before.
            before = points[points["stage"] < stage].tail(1)
            x = [*before["step"], *part["step"]]
            axes.plot(x, [*before["value"], *part["value"]], **style)
            if (part["seeds"] > 1).any():
                colour = style["color"]
                axes.fill_between(part["step"], part["seed_low"], part["seed_high"], color=colour, alpha=0.15, lw=0)
    _draw_ghosts(ghosts, results, panel)
    _stage_borders(axes, results)
    if not shown:
        _missing(axes, "no training log")
    axes.set_xlabel("RL steps")
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)


def _e(axes: "Axes", results: Results) -> None:
    axes.set_title("Mean benchmark accuracy")
    benchmarks = [name for name in THREE if name in results.benchmarks]
    for arm in _curves(results):
        points = trajectory(results.headline, arm, results.settings, benchmarks) if benchmarks else []
        for number in sorted({point.stage for point in points} - {0}):
            part = [point for point in points if point.stage == number]
            before = [point for point in points if point.stage < number][-1:]
            line = [*before, *part]
            estimates = [point.estimate for point in line]
            axes.errorbar(
                [point.step for point in line],
                [estimate.value for estimate in estimates],
                yerr=_error(estimates),
                ecolor=EDGE,
                elinewidth=0.4,
                capsize=1,
                **_stage_style(arm, number),
            )
    ours = results.arms.get("vision-r1")
    for arm_name, step in (("ci", 0), ("vision-r1", ours.last_step if ours else 0)):
        estimate = results.average(arm_name, tuple(benchmarks)) if benchmarks else None
        if estimate is not None:
            axes.plot(step, estimate.value, "*", color="red", markersize=8, markeredgecolor=EDGE, markeredgewidth=0.4)
    if not benchmarks:
        _missing(axes, "no checkpoint was evaluated")
    _draw_ghosts(axes, results, "E")
    reference = next((v.number for v in load() if v.table == "Fig. 1E" and v.subset == "reference line"), None)
    if reference is not None:
        axes.axhline(reference, color=GHOST, linestyle=(0, (4, 2)), linewidth=0.8)
    _stage_borders(axes, results)
    axes.set_xlabel("RL steps")
    axes.set_ylabel("Accuracy (%)")


def _stage_style(arm: ArmInfo, stage: int) -> dict[str, Any]:
    """Vision-R1 changes colour with its stage, as in the paper; the third is dashed."""
    if not arm.name.startswith("vision-r1"):
        return arm_style(arm.name, list(_CURVE_ARMS))
    style = arm_style("vision-r1", [])
    marker = {1: "^", 2: "D", 3: "v"}.get(stage, "^")
    return style | {
        "color": STAGE_COLOURS.get(stage, GREEN),
        "marker": marker,
        "linestyle": "--" if stage > 2 else "-",
    }


def _draw_ghosts(axes: "Axes", results: Results, panel: str) -> None:
    for name in _CURVE_ARMS:
        values = [
            value
            for value in load()
            if value.table == f"Fig. 1{panel}" and value.step is not None and value.target is not None
            if value.target.arm == name or (name == "vision-r1" and value.target.arm == "vision-r1-stage3")
        ]
        if not results.comparable and "vision-r1-stage3" not in {arm.name for arm in _curves(results)}:
            # Without a third stage of ours there is no place on the axis for the paper's.
            values = [value for value in values if value.ptst_stage != 3 or name != "vision-r1"]
        values.sort(key=lambda value: value.step or 0)
        x = [_place(value, name, results) for value in values]
        marker = {"zero": "o", "long": "s", "vision-r1": "^"}[name]
        axes.plot(x, [value.number for value in values], marker=marker, linestyle=":", mfc="none", **_GHOST_LINE)


def _place(value: PublishedValue, name: str, results: Results) -> float:
    """A published step on our axis: itself where scales agree, else so that stage borders coincide."""
    step = float(value.step or 0)
    if results.comparable or name not in results.arms:
        return step
    arm = next((arm for arm in _curves(results) if arm.name.startswith(name)), results.arms[name])
    if name != "vision-r1":
        return step * arm.last_step / _PAPER_END
    borders = [0, *(stage.last_step for stage in arm.stages)]
    theirs = [_PAPER_STEPS * k for k in range(len(borders))]
    return float(np.interp(step, theirs, borders))


def _stage_borders(axes: "Axes", results: Results) -> None:
    arm = next((arm for arm in _curves(results) if arm.name.startswith("vision-r1")), None)
    for stage in arm.stages[:-1] if arm else ():
        axes.axvline(stage.last_step, color=EDGE, linestyle=(0, (1, 2)), linewidth=0.7)


def _legend(figure: "Figure", results: Results) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for arm in _curves(results):
        if arm.name.startswith("vision-r1"):
            for stage in arm.stages:
                style = _stage_style(arm, stage.number)
                label = f"Vision-R1 stage {stage.number} ({stage.max_tokens}x{stage.group})"
                handles.append(Line2D([], [], label=label, **style))
        else:
            handles.append(Line2D([], [], label=arm.label, **_stage_style(arm, 1)))
    handles.append(Line2D([], [], marker="o", linestyle=":", mfc="none", label="paper", **_GHOST_LINE))
    handles.append(Line2D([], [], color=GHOST, linestyle=(0, (4, 2)), linewidth=0.8, label="Qwen2.5-VL-72B (paper)"))
    handles.append(Line2D([], [], marker="*", linestyle="", color="red", markersize=7, label="CI, Vision-R1"))
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=6)
