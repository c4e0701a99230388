"""Draws the figures of a run or a comparison and writes them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vr1repro.core.errors import UserError
from vr1repro.reporting.figures import compared, descriptions, length, sensitivity, training
from vr1repro.reporting.figures.catalogue import COMPARED_FIGURES, FIGURES, FigureKind
from vr1repro.reporting.figures.compared import PrintedScore
from vr1repro.reporting.figures.figure_one import figure_one
from vr1repro.reporting.figures.published import published_figure_one
from vr1repro.reporting.figures.style import drawing, save
from vr1repro.reporting.lineage.sources import Sources, write_made_from
from vr1repro.reporting.run.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN = "-column"  # ends the names of one-column figures
# Each takes the results and, if not the two-column one, a width in inches.
DRAW: "Mapping[str, Callable[..., Figure]]" = {
    "figure1": figure_one,
    "classes": training.classes,
    "length-accuracy": length.length_accuracy,
    "training": training.training,
    "graders": sensitivity.graders,
    "coldset": sensitivity.coldset,
    "descriptions": descriptions.descriptions,
}


def make_figures(results: Results, folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Draw figures in two sizes; equal inputs give equal bytes.

    Each is written as PDF, SVG and PNG in two-column width, and as PDF and PNG in one-column width (`<name>-column`).
    `provenance.json` beside them holds the files that each was made from, with their hashes.

    Args:
        names: Which; all where left out.

    Returns:
        The written paths.

    Raises:
        UserError: A name is unknown, or a file of the run is bad; the figure is named.
    """
    if unknown := set(names or ()) - set(FIGURES):
        raise UserError(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    chosen = {name: FIGURES[name] for name in names or FIGURES}
    return _write(results, folder, chosen, {name: partial(DRAW[name], results) for name in chosen})


def draw_compared(results: Results, printed: Sequence[PrintedScore], folder: Path) -> list[Path]:
    """Draw the figures of a comparison, as `make_figures` does a run's.

    Args:
        printed: The published scores that stand beside the models'.
    """
    draw: Mapping[str, Callable[..., Figure]] = {
        "by-class": partial(compared.by_class, results, printed),
        "by-length": partial(compared.by_length, results, printed),
        "graders": partial(sensitivity.graders, results),
    }
    return _write(results, folder, COMPARED_FIGURES, draw)


def _write(
    results: Results, folder: Path, figures: Mapping[str, FigureKind], draw: "Mapping[str, Callable[..., Figure]]"
) -> list[Path]:
    settings, paths = results.settings, []
    with drawing():
        for name in figures:
            try:
                paths += save(draw[name](), folder, name)
                paths += save(draw[name](width=settings.column_width), folder, f"{name}{COLUMN}", ("pdf", "png"))
            except UserError as error:
                raise UserError(f"figure {name}: {error}") from None
    sources = Sources(results)
    made_from = {
        name: sources.matching(
            pattern.format(protocol=settings.protocol, profile=settings.profile) for pattern in kind.reads
        )
        for name, kind in figures.items()
    }
    return [*paths, write_made_from(folder, "figures", made_from, sources)]


def write_published_figure(folder: Path) -> list[Path]:
    """Draw Figure 1 from the published values alone, as `figure1-published`. Returns the written paths."""
    with drawing():
        return save(published_figure_one(), folder, "figure1-published")
