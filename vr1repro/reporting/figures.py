"""All figures by name, and the one function that writes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vr1repro.errors import UserError
from vr1repro.reporting import figure_more
from vr1repro.reporting.figure_one import figure_one
from vr1repro.reporting.figure_published import published_figure_one
from vr1repro.reporting.results import Results
from vr1repro.reporting.style import drawing, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureKind:
    """A figure: its title, what it shows in words (the page's alternative text), and how it is drawn."""

    title: str
    caption: str
    draw: "Callable[[Results], Figure]"


FIGURES: Mapping[str, FigureKind] = {
    "figure1": FigureKind(
        "Figure 1 A-F",
        "The paper's Figure 1 from this run: A length classes and accuracy of CI on MathVerse, B MathVista accuracy,"
        " C reflection words, D completion length, E mean accuracy and F reward over RL steps. Grey: the paper.",
        figure_one,
    ),
    "classes": FigureKind(
        "What stage 2 changes, class by class",
        "Accuracy by class of question at the ends of stages 1 and 2, with intervals.",
        figure_more.classes,
    ),
    "length-accuracy": FigureKind(
        "Length against accuracy",
        "Accuracy against response length for every arm, with bootstrap bands; truncated responses apart.",
        figure_more.length_accuracy,
    ),
    "training": FigureKind(
        "Training curves",
        "Reward, entropy, KL, completion length, share cut at the limit and share of groups without variance over the"
        " RL steps of every arm, with stage borders.",
        figure_more.training,
    ),
    "graders": FigureKind(
        "Graders and protocols",
        "Mean accuracy of every arm under each protocol and scoring profile.",
        figure_more.graders,
    ),
    "coldset": FigureKind(
        "Yield of the cold-start set",
        "Problems kept and rejected by each rule of Modality Bridging.",
        figure_more.coldset,
    ),
}


def write_figures(folder: Path, results: Results, names: Sequence[str] | None = None) -> list[Path]:
    """Draw figures and write each as PDF, SVG and PNG; equal inputs give equal bytes.

    Args:
        folder: Where to.
        results: The run.
        names: Which; all where left out.

    Returns:
        The written paths.

    Raises:
        UserError: A name is unknown.
    """
    if unknown := set(names or ()) - set(FIGURES):
        raise UserError(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    paths = []
    with drawing():
        for name in names or FIGURES:
            paths += save(FIGURES[name].draw(results), folder, name)
    return paths


def write_published_figure(folder: Path) -> list[Path]:
    """Draw Figure 1 from the published values alone, as `figure1-published`. Returns the written paths."""
    with drawing():
        return save(published_figure_one(), folder, "figure1-published")
