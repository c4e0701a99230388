"""Figure 1 A-F from the published values alone, in the paper's arrangement and colours."""

from typing import TYPE_CHECKING

from vr1repro.published import PublishedValue
from vr1repro.reporting.figures import panels
from vr1repro.reporting.figures.style import DARK_BLUE, EDGE, LIGHT_BLUE, STAGE_COLOURS, new_figure, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MODELS = ("Qwen2.5-VL-72B", "Vision-R1-Zero", "Vision-R1-Long", "Vision-R1 (Ours)")
_CURVES = (
    ("D", "CoT length in RL (tokens)", (0, 5000)),
    ("E", "Mean benchmark accuracy (%)", (40, 60)),
    ("F", "Reward", (0.2, 0.9)),
)


def published_figure_one(width: float = 7.0) -> "Figure":
    """Draw it, `width` inches wide."""
    figure, axes = new_figure(width, 0.62 * width, 2, 3)
    _length_classes(axes[0])
    _accuracies(axes[1])
    _words(axes[2])
    for panel, (letter, title, limits) in zip(axes[3:], _CURVES, strict=True):
        _curves(panel, letter)
        panels.set_title(panel, letter, title)
        panel.set_ylim(*limits)
        panel.set_xlabel("RL steps")
    figure.legend(*axes[4].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    say(figure, "Published values: A-C printed labels, D-F digitised from figs/exploration.png of Osilly/Vision-R1.")
    return figure


def _length_classes(axes: "Axes") -> None:
    heights = {
        quantity: [(number, value.number) for number, value in enumerate(panels.paper_values("A", quantity=quantity))]
        for quantity in ("proportion", "accuracy")
    }
    for _, _, bars in panels.draw_length_classes(axes, heights, 0.38):
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks(range(len(panels.LENGTH_CLASSES)), panels.LENGTH_CLASSES)
    axes.set_xlabel("Completion tokens")
    axes.set_ylim(0, 100)
    axes.legend()
    panels.set_title(axes, "A", "CI on MathVerse (%)")


def _accuracies(axes: "Axes") -> None:
    values = panels.paper_values("B")
    axes.bar_label(panels.draw_bars(axes, range(len(values)), [value.number for value in values], 0.7), fontsize=6)
    names = [value.model.replace(" (Ours)", "") for value in values]
    axes.set_xticks(range(len(values)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_ylim(60, 80)
    panels.set_title(axes, "B", "MathVista accuracy (%)")


def _words(axes: "Axes") -> None:
    values = panels.paper_values("C")
    words = list(dict.fromkeys(value.subset.rpartition(" ")[2] for value in values))
    for number, (model, (colour, hatch)) in enumerate(zip(_MODELS, panels.WORD_STYLES, strict=True)):
        counts = [value.number for value in values if value.model == model]
        label = model.removeprefix("Vision-R1-").removesuffix(" (Ours)")
        panels.draw_bars(
            axes, panels.word_places(words, number), counts, panels.WORD_WIDTH, colour=colour, hatch=hatch, label=label
        )
    axes.set_xticks(range(len(words)), [f'"{word}"' for word in words])
    axes.set_ylim(0, 1000)
    axes.legend(ncols=2)
    panels.set_title(axes, "C", '"Aha" words, 50 samples')


def _curves(axes: "Axes", letter: str) -> None:
    for model, colour, marker in (("Vision-R1-Zero", DARK_BLUE, "o"), ("Vision-R1-Long", LIGHT_BLUE, "s")):
        _curve(axes, _points(letter, model), colour, marker, "-", model)
    points = _points(letter, "Vision-R1 (Ours)")
    for stage, marker, line in ((1, "^", "-"), (2, "D", "-"), (3, "v", "--")):
        # A stage starts where the one before it ended.
        part = [value for value in points if 100 * (stage - 1) <= (value.step or 0) <= 100 * stage]
        _curve(axes, part, STAGE_COLOURS[stage], marker, line, f"Vision-R1 stage {stage}")
    if letter == "E":
        panels.draw_reference(axes, label="Qwen2.5-VL-72B")
    for border in (100, 200):
        panels.draw_stage_border(axes, border)


def _points(letter: str, model: str) -> list[PublishedValue]:
    points = [value for value in panels.paper_values(letter) if value.model == model and value.step is not None]
    return sorted(points, key=lambda value: value.step or 0)


def _curve(axes: "Axes", values: list[PublishedValue], colour: str, marker: str, line: str, label: str) -> None:
    x, y = [value.step or 0 for value in values], [value.number for value in values]
    axes.plot(x, y, color=colour, marker=marker, linestyle=line, mec=EDGE, mew=0.4, label=label)
