"""All figures by name, and the one function that writes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vr1repro.core.errors import UserError
from vr1repro.reporting.figures import length, sensitivity, training
from vr1repro.reporting.figures.figure_one import figure_one
from vr1repro.reporting.figures.published import published_figure_one
from vr1repro.reporting.figures.style import drawing, save
from vr1repro.reporting.lineage.sources import Sources, write
from vr1repro.reporting.run.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureKind:
    """A figure.

    Attributes:
        title: Its title.
        caption: What it shows in words (the page's alternative text).
        draw: Takes the results and, if not the two-column one, a width in inches.
        reads: Glob patterns of the run's files that it is made from; `{protocol}` and `{profile}` are the headline's.
    """

    title: str
    caption: str
    draw: "Callable[..., Figure]"
    reads: tuple[str, ...]


_RESPONSES = "eval/*/*/{protocol}/e*/responses.jsonl"
_VERDICTS = "eval/*/*/{protocol}/e*/verdicts/{profile}.jsonl"
_QUESTIONS = "problems/*/**/*.parquet"
_STEPS = "train/*/s*/stage*/steps.jsonl"
_SCORES = (_RESPONSES, _VERDICTS, _QUESTIONS)
COLUMN = "-column"  # ends the names of one-column figures

FIGURES: Mapping[str, FigureKind] = {
    "figure1": FigureKind(
        "Figure 1 A-F",
        "The paper's Figure 1 from this run: A length classes and accuracy of CI on MathVerse, B MathVista accuracy,"
        " C reflection words, D completion length, E mean accuracy and F reward over RL steps. Grey: the paper.",
        figure_one,
        (*_SCORES, _STEPS),
    ),
    "classes": FigureKind(
        "What stage 2 changes, class by class",
        "Accuracy by class of question at the ends of stages 1 and 2, with intervals.",
        training.classes,
        _SCORES,
    ),
    "length-accuracy": FigureKind(
        "Length against accuracy",
        "Accuracy against response length for every arm, with bootstrap bands; truncated responses apart.",
        length.length_accuracy,
        _SCORES,
    ),
    "training": FigureKind(
        "Training curves",
        "Reward, entropy, KL, completion length, share cut at the limit and share of groups without variance over the"
        " RL steps of every arm, with stage borders.",
        training.training,
        (_STEPS,),
    ),
    "graders": FigureKind(
        "Graders and protocols",
        "Mean accuracy of every arm under each protocol and scoring profile.",
        sensitivity.graders,
        ("eval/*/*/*/e*/responses.jsonl", "eval/*/*/*/e*/verdicts/*.jsonl", _QUESTIONS),
    ),
    "coldset": FigureKind(
        "Yield of the cold-start set",
        "Problems kept and rejected by each rule of Modality Bridging.",
        sensitivity.coldset,
        ("coldset/yield.json",),
    ),
}


def write_figures(folder: Path, results: Results, names: Sequence[str] | None = None) -> list[Path]:
    """Draw figures in two sizes; equal inputs give equal bytes.

    Each is written as PDF, SVG and PNG in two-column width, and as PDF and PNG in one-column width (`<name>-column`).
    `provenance.json` beside them holds the files that each was made from, with their hashes.

    Args:
        folder: Where to.
        results: The run.
        names: Which; all where left out.

    Returns:
        The written paths.

    Raises:
        UserError: A name is unknown, or a file of the run is bad; the figure is named.
    """
    if unknown := set(names or ()) - set(FIGURES):
        raise UserError(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    paths = []
    with drawing():
        for name in names or FIGURES:
            try:
                paths += save(FIGURES[name].draw(results), folder, name)
                narrow = FIGURES[name].draw(results, results.settings.column_width)
                paths += save(narrow, folder, f"{name}{COLUMN}", ("pdf", "png"))
            except UserError as error:
                raise UserError(f"figure {name}: {error}") from None
    sources, settings = Sources(results), results.settings
    made_from = {
        name: sources.matching(
            pattern.format(protocol=settings.protocol, profile=settings.profile) for pattern in FIGURES[name].reads
        )
        for name in names or FIGURES
    }
    return [*paths, write(folder, "figures", made_from, sources)]


def write_published_figure(folder: Path) -> list[Path]:
    """Draw Figure 1 from the published values alone, as `figure1-published`. Returns the written paths."""
    with drawing():
        return save(published_figure_one(), folder, "figure1-published")
