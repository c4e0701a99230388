"""Figure 1 A-F from the published values alone, in the paper's arrangement and colours."""

from typing import TYPE_CHECKING

import numpy as np

from vr1repro.published import PublishedValue, load_values
from vr1repro.reporting.figures.style import (
    DARK_BLUE,
    EDGE,
    GHOST,
    GREEN,
    LIGHT_BLUE,
    ORANGE,
    SKY_BLUE,
    STAGE_COLOURS,
    new_figure,
    say,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MODELS = (
    ("Qwen2.5-VL-72B", DARK_BLUE, ""),
    ("Vision-R1-Zero", LIGHT_BLUE, "////"),
    ("Vision-R1-Long", GREEN, "...."),
    ("Vision-R1 (Ours)", ORANGE, r"\\\\"),
)
_CURVES = (
    ("D", "CoT length in RL (tokens)", (0, 5000)),
    ("E", "Mean benchmark accuracy (%)", (40, 60)),
    ("F", "Reward", (0.2, 0.9)),
)


def published_figure_one(width: float = 7.0) -> "Figure":
    """Draw it.

    Args:
        width: Inches.
    """
    values = {letter: [v for v in load_values() if v.table == f"Fig. 1{letter}"] for letter in "ABCDEF"}
    figure, axes = new_figure(width, 0.62 * width, 2, 3)
    _bars_a(axes[0], values["A"])
    _bars_b(axes[1], values["B"])
    _bars_c(axes[2], values["C"])
    for place, (letter, title, limits) in zip(axes[3:], _CURVES, strict=True):
        _curves(place, values[letter])
        place.set_title(f"{letter}  {title}", loc="left", fontweight="bold")
        place.set_ylim(*limits)
        place.set_xlabel("RL steps")
    figure.legend(*axes[4].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    say(figure, "Published values: A-C printed labels, D-F digitised from figs/exploration.png of Osilly/Vision-R1.")
    return figure


def _bars_a(axes: "Axes", values: list[PublishedValue]) -> None:
    for metric, offset, colour, hatch in (
        ("proportion_%", -0.2, DARK_BLUE, ""),
        ("accuracy_%", 0.2, LIGHT_BLUE, "////"),
    ):
        heights = [value.number for value in values if value.metric == metric]
        label = metric.removesuffix("_%").capitalize()
        bars = axes.bar(np.arange(3) + offset, heights, 0.38, color=colour, ec=EDGE, lw=0.4, hatch=hatch, label=label)
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks(range(3), ["0-4K", "4K-8K", "8K+"])
    axes.set_xlabel("Completion tokens")
    axes.set_ylim(0, 100)
    axes.legend()
    axes.set_title("A  CI on MathVerse (%)", loc="left", fontweight="bold")


def _bars_b(axes: "Axes", values: list[PublishedValue]) -> None:
    bars = axes.bar(range(len(values)), [v.number for v in values], 0.7, color=SKY_BLUE, ec=EDGE, lw=0.4)
    axes.bar_label(bars, fontsize=6)
    names = [value.model.replace(" (Ours)", "") for value in values]
    axes.set_xticks(range(len(values)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_ylim(60, 80)
    axes.set_title("B  MathVista accuracy (%)", loc="left", fontweight="bold")


def _bars_c(axes: "Axes", values: list[PublishedValue]) -> None:
    words = list(dict.fromkeys(value.subset.rpartition(" ")[2] for value in values))
    for k, (model, colour, hatch) in enumerate(_MODELS):
        heights = [value.number for value in values if value.model == model]
        x = np.arange(len(words)) + (k - 1.5) * 0.2
        label = model.removeprefix("Vision-R1-").removesuffix(" (Ours)")
        axes.bar(x, heights, 0.2, color=colour, ec=EDGE, lw=0.4, hatch=hatch, label=label)
    axes.set_xticks(range(len(words)), [f'"{word}"' for word in words])
    axes.set_ylim(0, 1000)
    axes.legend(ncols=2)
    axes.set_title('C  "Aha" words, 50 samples', loc="left", fontweight="bold")


def _curves(axes: "Axes", values: list[PublishedValue]) -> None:
    for model, colour, marker in (("Vision-R1-Zero", DARK_BLUE, "o"), ("Vision-R1-Long", LIGHT_BLUE, "s")):
        part = sorted((v for v in values if v.model == model and v.step is not None), key=lambda v: v.step or 0)
        x = [value.step for value in part]
        axes.plot(x, [value.number for value in part], color=colour, marker=marker, mec=EDGE, mew=0.4, label=model)  # type: ignore[arg-type]
    own = sorted((v for v in values if v.model == "Vision-R1 (Ours)"), key=lambda v: v.step or 0)
    for stage, marker, line in ((1, "^", "-"), (2, "D", "-"), (3, "v", "--")):
        # A stage starts where the one before it ended.
        part = [v for v in own if 100 * (stage - 1) <= (v.step or 0) <= 100 * stage]
        style = {"color": STAGE_COLOURS[stage], "marker": marker, "linestyle": line, "markeredgecolor": EDGE}
        axes.plot([v.step for v in part], [v.number for v in part], label=f"Vision-R1 stage {stage}", mew=0.4, **style)  # type: ignore[arg-type]
    for value in values:
        if value.subset == "reference line":
            axes.axhline(value.number, color=GHOST, linestyle=(0, (4, 2)), linewidth=0.8, label="Qwen2.5-VL-72B")
    for border in (100, 200):
        axes.axvline(border, color=EDGE, linestyle=(0, (1, 2)), linewidth=0.7)
