"""Figure 1 A-F in the paper's arrangement, from our responses and logs, with the published values as ghosts."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vr1repro.published import load_values
from vr1repro.reporting.figures import curves, panels
from vr1repro.reporting.figures.curves import curve_arms, stage_style
from vr1repro.reporting.figures.marks import GHOST_BAR, GHOST_LINE, note, say_missing
from vr1repro.reporting.figures.style import HIGHLIGHT, grid, new_figure, say, twin
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.words import by_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WORDS_TOP = 1000  # of the paper's panel C
_ROOM = 1.45  # above the highest bar, for the legend


def figure_one(results: Results, width: float | None = None) -> "Figure":
    """Draw Figure 1. A panel without data says what is missing.

    Args:
        width: Inches; a two-column figure's where left out. A narrow figure has its panels below each other.
    """
    width = width or results.settings.page_width
    rows, columns = grid(6, width, 2.2)
    figure, axes = new_figure(width, 0.7 + (2.0 if columns > 1 else 1.45) * rows, rows, columns)
    draw_panels: Sequence[Callable[[Axes, Results], None]] = (
        *(_length_classes, _accuracies, _words),
        *(curves.length, curves.accuracy, curves.reward),
    )
    for draw, panel in zip(draw_panels, axes, strict=True):
        draw(panel, results)
    _legend(figure, results)
    ghosts = "Grey, hollow or dashed: the paper (A-C printed labels, D-F digitised)"
    if not results.comparable:
        ghosts += ", on their own right axes in C, D and F, steps scaled so that stage borders coincide"
    say(figure, note(results, f"{ghosts}."))
    return figure


def _length_classes(axes: "Axes", results: Results) -> None:
    panels.set_title(axes, "A", "CI on MathVerse")
    rows = results.final("ci")
    classes = by_length(rows[rows["benchmark"] == "mathverse"], results.settings) if len(rows) else []
    heights = {
        "proportion": [(number, share) for number, (_, share, _) in enumerate(classes)],
        "accuracy": [(number, right) for number, (_, _, right) in enumerate(classes) if right is not None],
    }
    for quantity, offset, _ in panels.draw_length_classes(axes, heights, 0.36):
        for number, label in enumerate(panels.LENGTH_CLASSES):
            for value in panels.paper_values("A", subset=f"length-{label}", quantity=quantity):
                axes.bar(number + offset, value.number, 0.36, **GHOST_BAR)
    x = np.arange(max(len(classes), len(panels.LENGTH_CLASSES)))
    labels = [label for label, _, _ in classes] + [""] * (len(x) - len(classes))
    if not classes:
        say_missing(axes, "CI was not evaluated on MathVerse")
        labels = list(panels.LENGTH_CLASSES)
    elif tuple(labels[:3]) != panels.LENGTH_CLASSES:
        papers = (*panels.LENGTH_CLASSES, *[""] * len(x))
        labels = [f"{ours}\n({paper})" for ours, paper in zip(labels, papers, strict=False)]
    axes.set_xticks(x, labels)
    axes.set_xlabel("Completion tokens" + ("" if results.comparable else " (paper's)"))
    axes.set_ylabel("Percent")
    axes.set_ylim(0, 100)
    axes.legend(loc="upper right")


def _accuracies(axes: "Axes", results: Results) -> None:
    panels.set_title(axes, "B", "MathVista accuracy")
    names = [arm for arm in ("base", "ci", "zero", "long", "vision-r1") if arm in results.evaluated]
    scores = {arm: score for arm in names if (score := results.accuracy(arm, "mathvista")) is not None}
    panels.draw_bars(axes, range(len(scores)), list(scores.values()), 0.7)
    printed = {
        value.target.arm: value.number
        for value in load_values()
        if value.target is not None
        and (value.target.benchmark, value.target.subset, value.version) == ("mathvista", "overall", "v4")
        and value.target.quantity == "accuracy"
    }
    marks = [(number, printed[arm]) for number, arm in enumerate(scores) if arm in printed]
    x, y = [number for number, _ in marks], [value for _, value in marks]
    axes.plot(x, y, **panels.PRINTED_MARK)
    quoted = [value for value in panels.paper_values("B") if not scores or value.target is None]
    for number, value in enumerate(quoted, start=len(scores)):
        axes.bar(number, value.number, 0.7, **GHOST_BAR)
    labels = [results.label(arm).removeprefix("Vision-R1-") for arm in scores] + [value.model for value in quoted]
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_ylabel("Accuracy (%)")
    axes.set_ylim(0, 100)


def _words(axes: "Axes", results: Results) -> None:
    settings = results.settings
    panels.set_title(axes, "C", f'"Aha", {settings.sampled_responses} of MathVerse')
    counts, words = results.sampled_words, settings.sampled_words
    arms = [next((arm for arm in ("base-72b", "base") if arm in counts), "base"), "zero", "long", "vision-r1"]
    ghosts = axes if results.comparable else twin(axes, "Paper's count")
    for number, (arm, (colour, hatch)) in enumerate(zip(arms, panels.WORD_STYLES, strict=True)):
        x = panels.word_places(words, number)
        if arm in counts:
            label = results.label(arm).removeprefix("Vision-R1-")
            estimates = [counts[arm][word] for word in words]
            panels.draw_bars(axes, x, estimates, panels.WORD_WIDTH, colour=colour, hatch=hatch, label=label)
        paper_arm = "base-72b" if number == 0 else arm
        for middle, word in zip(x, words, strict=True):
            for value in panels.paper_values("C", arm=paper_arm, subset=f"word-{word.lower()}"):
                # In the colour of the model's own bars, for here each word has four.
                ghosts.bar(middle, value.number, panels.WORD_WIDTH, **{**GHOST_BAR, "edgecolor": colour})
    shown = [counts[arm][word] for arm in arms if arm in counts for word in words]
    if shown:
        axes.legend(loc="upper center", ncols=2, handlelength=1.2, columnspacing=0.8)
    else:
        say_missing(axes, "no MathVerse responses")
    top = max((estimate.high for estimate in shown), default=0.0)
    ghosts.set_ylim(0, _ROOM * max(_WORDS_TOP, top if results.comparable else 0.0))
    if not results.comparable:
        # Where all of ours are 0, an axis of their own would put the paper's hundreds at the height of a one.
        some = any(estimate.value for estimate in shown)
        axes.set_ylim((0, _ROOM * top) if some else ghosts.get_ylim())
    axes.set_xticks(range(len(words)), [f'"{word}"' for word in words], fontsize=5.5)
    axes.set_ylabel("Count")


def _legend(figure: "Figure", results: Results) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for arm in curve_arms(results):
        if arm.name.startswith("vision-r1"):
            for stage in arm.stages:
                style = stage_style(arm.name, stage.number)
                label = f"Vision-R1 stage {stage.number} ({stage.max_tokens}x{stage.group})"
                handles.append(Line2D([], [], label=label, **style))
        else:
            handles.append(Line2D([], [], label=arm.label, **stage_style(arm.name, 1)))
    handles.append(Line2D([], [], marker="o", linestyle=":", mfc="none", label="paper", **GHOST_LINE))
    handles.append(Line2D([], [], label="paper, v4 Table 1 (B)", **panels.PRINTED_MARK))
    handles.append(Line2D([], [], label="Qwen2.5-VL-72B (paper)", **panels.REFERENCE_LINE))
    handles.append(Line2D([], [], marker="*", linestyle="", color=HIGHLIGHT, markersize=7, label="CI, Vision-R1"))
    columns = 4 if figure.get_figwidth() > 5 else 2
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, fontsize=6)
