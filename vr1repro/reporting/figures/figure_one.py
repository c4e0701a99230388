"""Figure 1 A-F in the paper's arrangement, from our responses and logs, with the published values as ghosts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vr1repro.published import PublishedValue, load_values
from vr1repro.reporting.figures import curves
from vr1repro.reporting.figures.curves import curve_arms, stage_style
from vr1repro.reporting.figures.marks import BAR_ERRORS, GHOST_BAR, GHOST_LINE, errors, say_missing
from vr1repro.reporting.figures.style import (
    DARK_BLUE,
    EDGE,
    GHOST,
    GREEN,
    LIGHT_BLUE,
    ORANGE,
    SKY_BLUE,
    new_figure,
    panels,
    say,
    twin,
)
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.run.words import by_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAPER_BINS = ("0-4K", "4K-8K", "8K+")
_AHA_TOP = 1000  # of the paper's panel C


def figure_one(results: Results, width: float | None = None) -> "Figure":
    """Draw Figure 1. A panel without data says what is missing.

    Args:
        results: The run.
        width: Inches; a two-column figure's where left out. A narrow figure has its panels below each other.
    """
    width = width or results.settings.page_width
    rows, columns = panels(6, width, 2.2)
    figure, axes = new_figure(width, 0.7 + (2.0 if columns > 1 else 1.45) * rows, rows, columns)
    drawn: Sequence[Callable[[Axes, Results], None]] = (
        *(_a, _b, _c),
        *(curves.length, curves.accuracy, curves.reward),
    )
    for letter, draw, place in zip("ABCDEF", drawn, axes, strict=True):
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


def _published(figure: str, **wanted: object) -> list[PublishedValue]:
    return [
        value
        for value in load_values()
        if value.table == f"Fig. 1{figure}"
        and value.target is not None
        and all(getattr(value.target, key) == part for key, part in wanted.items())
    ]


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
            yerr=errors(estimates),
            color=colour,
            edgecolor=EDGE,
            linewidth=0.4,
            hatch=hatch,
            label=f"{quantity.capitalize()}",
            **BAR_ERRORS,
        )
        for k, label in enumerate(_PAPER_BINS):
            for value in _published("A", subset=f"length-{label}", quantity=quantity):
                axes.bar(k + offset, value.number, 0.36, **GHOST_BAR)
    labels = [label for label, _, _ in bars] + [""] * (len(x) - len(bars))
    if not bars:
        say_missing(axes, "CI was not evaluated on MathVerse")
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
        yerr=errors(estimates),
        color=SKY_BLUE,
        edgecolor=EDGE,
        linewidth=0.4,
        **BAR_ERRORS,
    )
    printed = {
        value.target.arm: value.number
        for value in load_values()
        if value.target is not None
        and (value.target.benchmark, value.target.subset, value.version) == ("mathvista", "overall", "v4")
        and value.target.quantity == "accuracy"
    }
    at = [(k, printed[arm]) for k, (arm, _) in enumerate(found) if arm in printed]
    axes.plot([k for k, _ in at], [value for _, value in at], "D", color="white", markeredgecolor=EDGE, markersize=4)
    quoted = [value for value in load_values() if value.table == "Fig. 1B" and (not found or value.target is None)]
    start = len(found)
    for k, value in enumerate(quoted):
        axes.bar(start + k, value.number, 0.7, **GHOST_BAR)
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
                yerr=errors(estimates),
                color=colour,
                edgecolor=EDGE,
                linewidth=0.4,
                hatch=hatch,
                label=results.label(arm).removeprefix("Vision-R1-"),
                **BAR_ERRORS,
            )
        paper_arm = "base-72b" if k == 0 else arm
        for place, word in zip(x, words, strict=True):
            for value in _published("C", arm=paper_arm, subset=f"word-{word.lower()}"):
                ghosts.bar(place, value.number, width, **GHOST_BAR)
    if not counts:
        say_missing(axes, "no MathVerse responses")
    else:
        axes.legend(loc="upper center", ncols=2, handlelength=1.2, columnspacing=0.8)
        top = max(e.high for arm, _, _ in arms if arm in counts for w, e in counts[arm].items() if w in words)
        axes.set_ylim(0, max(1.0, top) * 1.45)
    ghosts.set_ylim(0, max(_AHA_TOP, ghosts.get_ylim()[1]))
    axes.set_xticks(range(len(words)), [f'"{word}"' for word in words], fontsize=5.5)
    axes.set_ylabel("Count")


def _legend(figure: "Figure", results: Results) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for arm in curve_arms(results):
        if arm.name.startswith("vision-r1"):
            for stage in arm.stages:
                style = stage_style(arm, stage.number)
                label = f"Vision-R1 stage {stage.number} ({stage.max_tokens}x{stage.group})"
                handles.append(Line2D([], [], label=label, **style))
        else:
            handles.append(Line2D([], [], label=arm.label, **stage_style(arm, 1)))
    handles.append(Line2D([], [], marker="o", linestyle=":", mfc="none", label="paper", **GHOST_LINE))
    handles.append(Line2D([], [], color=GHOST, linestyle=(0, (4, 2)), linewidth=0.8, label="Qwen2.5-VL-72B (paper)"))
    handles.append(Line2D([], [], marker="*", linestyle="", color="red", markersize=7, label="CI, Vision-R1"))
    columns = 4 if figure.get_figwidth() > 5 else 2
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, fontsize=6)
