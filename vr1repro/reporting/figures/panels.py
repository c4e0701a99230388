"""What the panels of Figure 1 share: the paper's values, bars, titles, the paper's reference line, stage borders."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vr1repro.published import PublishedValue, load_values
from vr1repro.reporting.figures.marks import BAR_ERRORS, errors
from vr1repro.reporting.figures.style import DARK_BLUE, EDGE, GHOST, GREEN, HOLLOW, LIGHT_BLUE, ORANGE, SKY_BLUE
from vr1repro.reporting.statistics.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

LENGTH_CLASSES = ("0-4K", "4K-8K", "8K+")  # of panel A
WORD_STYLES = ((DARK_BLUE, ""), (LIGHT_BLUE, "////"), (GREEN, "...."), (ORANGE, r"\\\\"))  # of panel C's four models
WORD_WIDTH = 0.2
REFERENCE_LINE: dict[str, Any] = {"color": GHOST, "linestyle": (0, (4, 2)), "linewidth": 0.8}
PRINTED_MARK: dict[str, Any] = {
    "marker": "D",
    "linestyle": "",
    "color": HOLLOW,
    "markeredgecolor": EDGE,
    "markersize": 4,
}  # a printed score among our bars
_LENGTH_SERIES = (("proportion", -0.2, DARK_BLUE, ""), ("accuracy", 0.2, LIGHT_BLUE, "////"))


def paper_values(letter: str, **target: object) -> list[PublishedValue]:
    """The published values of a panel (`A` to `F`) whose target has these fields."""
    return [
        value
        for value in load_values()
        if value.table == f"Fig. 1{letter}"
        and all(getattr(value.target, field, None) == expected for field, expected in target.items())
    ]


def set_title(axes: "Axes", letter: str, text: str) -> None:
    """Write a panel's letter and title above its left edge."""
    axes.set_title(f"{letter}  {text}", loc="left", fontweight="bold")


def draw_bars(
    axes: "Axes",
    x: "Sequence[float] | np.ndarray",
    heights: Sequence[Estimate] | Sequence[float],
    width: float,
    *,
    colour: str = SKY_BLUE,
    hatch: str = "",
    label: str = "",
) -> "BarContainer":
    """Draw bars; those of estimates with their intervals."""
    estimates = [height for height in heights if isinstance(height, Estimate)]
    values = [height.value if isinstance(height, Estimate) else height for height in heights]
    style: dict[str, Any] = {"color": colour, "edgecolor": EDGE, "linewidth": 0.4, "hatch": hatch, "label": label}
    if len(estimates) == len(heights):
        style |= {"yerr": errors(estimates), **BAR_ERRORS}
    return axes.bar(x, values, width, **style)


def draw_length_classes(
    axes: "Axes", heights: Mapping[str, Sequence[tuple[int, Estimate]] | Sequence[tuple[int, float]]], width: float
) -> Iterator[tuple[str, float, "BarContainer"]]:
    """Draw panel A's two series.

    Args:
        heights: By quantity (`proportion`, `accuracy`): number of the length class and percent.

    Yields:
        Each quantity as soon as it is drawn, its offset from the class's place, and its bars.
    """
    for quantity, offset, colour, hatch in _LENGTH_SERIES:
        x = [number + offset for number, _ in heights[quantity]]
        percents: Any = [percent for _, percent in heights[quantity]]
        label = quantity.capitalize()
        yield quantity, offset, draw_bars(axes, x, percents, width, colour=colour, hatch=hatch, label=label)


def word_places(words: Sequence[str], model: int) -> np.ndarray:
    """Where panel C's bars of a model (0 to 3) stand; shape (words,)."""
    return np.arange(len(words)) + (model - 1.5) * WORD_WIDTH


def draw_reference(axes: "Axes", **style: Any) -> None:
    """Draw panel E's horizontal line, the accuracy of Qwen2.5-VL-72B."""
    for value in paper_values("E"):
        if value.subset == "reference line":
            axes.axhline(value.number, **REFERENCE_LINE, **style)


def draw_stage_border(axes: "Axes", step: float) -> None:
    """Draw the end of a stage."""
    axes.axvline(step, color=EDGE, linestyle=(0, (1, 2)), linewidth=0.7)
