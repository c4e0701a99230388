"""Accuracy against response length, with responses that were cut at the limit apart: their length is unknown."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.reporting.figures.marks import errors, note, say_missing
from vr1repro.reporting.figures.style import CUT, DARK_BLUE, EDGE, LIGHT_BLUE, arm_style, grid, new_figure, say
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import accuracy, average_weights, graded
from vr1repro.reporting.statistics.bootstrap import bootstrap_band
from vr1repro.reporting.statistics.rounding import fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LENGTH_CLASSES = 6


def length_accuracy(results: Results, width: float | None = None) -> "Figure":
    """Accuracy against response length: arms as points, then every arm's responses in classes of equal size.

    Args:
        width: Inches; a two-column figure's where left out.
    """
    arms = [arm for arm in results.evaluated if results.final(arm)["n_tokens"].notna().any()]
    width = width or results.settings.page_width
    rows, columns = grid(len(arms) + 1, width, 1.6)
    figure, axes = new_figure(width, 0.8 + 1.65 * rows, rows, columns)
    _arms_as_points(axes[0], results, arms)
    for panel, arm in zip(axes[1:], arms, strict=False):
        draw_by_length(panel, results.final(arm), results)
        panel.set_title(results.label(arm), loc="left")
    for panel in axes[len(arms) + 1 :]:
        panel.set_visible(False)
    if arms:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4 if width > 5 else 2)
    text = (
        "Bands: bootstrap over problems. Crosses at the right edge: accuracy of the responses cut at the token limit;"
    )
    say(figure, note(results, f"{text} how long they would have been is not known."))
    return figure


def _arms_as_points(axes: "Axes", results: Results, arms: list[str]) -> None:
    for arm in arms:
        length = results.length(arm)
        rows = results.final(arm)
        if length is None:
            continue
        score = accuracy(rows, results.settings, average_weights(rows))
        style = arm_style(arm, arms) | {"linestyle": "", "markersize": 5}
        axes.errorbar(
            length.value,
            score.value,
            xerr=errors([length]),
            yerr=errors([score]),
            label=results.label(arm),
            ecolor=EDGE,
            elinewidth=0.6,
            capsize=1.5,
            **style,
        )
    axes.set_title("All arms", loc="left")
    axes.set_xlabel("Mean completion tokens")
    axes.set_ylabel("Mean accuracy (%)")
    if not arms:
        say_missing(axes, "no token counts")


def draw_by_length(axes: "Axes", frame: pd.DataFrame, results: Results, unit: str = "Completion tokens") -> None:
    """Draw accuracy in classes of equal size by response length, those that were cut apart.

    Args:
        frame: Rows of one model; `n_tokens` is the length.
        unit: What it counts.
    """
    rows = graded(frame[frame["n_tokens"].notna() & (frame["stratum"] != EXCLUDED)])
    cut = (rows["finish_reason"] == "length").to_numpy()
    right = rows["correct"].to_numpy().astype(np.float64)
    tokens = rows["n_tokens"].to_numpy(dtype=np.float64)
    clusters = list(zip(rows["benchmark"], rows["cluster"], strict=True))
    borders = np.linspace(0, 1, _LENGTH_CLASSES + 1)
    edges = np.unique(np.quantile(tokens[~cut], borders)) if (~cut).any() else np.empty(0)
    if len(edges) > 1:
        inside = np.clip(np.searchsorted(edges, tokens, side="left") - 1, 0, len(edges) - 2)
        inside[cut] = len(edges) - 1  # censored: a class of their own, drawn as a cross
        member = (inside[:, None] == np.arange(len(edges) - 1)).astype(np.float64)
        hits = 100 * right[:, None] * member  # whole numbers
        settings = results.settings
        options: dict[str, Any] = {"draws": settings.bootstrap_draws, "confidence": settings.confidence}
        low, high = bootstrap_band(hits, member, clusters, seed=settings.seed, **options)
        counts = member.sum(axis=0)
        x = (tokens @ member) / np.maximum(counts, 1)  # of whole numbers: the same on every processor
        y = np.divide(hits.sum(axis=0), counts, out=np.full_like(counts, np.nan), where=counts > 0)
        axes.fill_between(x, low, high, color=LIGHT_BLUE, alpha=0.6, linewidth=0)
        axes.plot(x, y, color=DARK_BLUE, marker="o")
    if cut.any():
        # At the panel's edge, not at the limit: the limit may lie far outside, and says nothing about the true length.
        height = 100 * right[cut].mean()
        edge = axes.get_yaxis_transform()
        axes.plot(0.97, height, "x", transform=edge, color=CUT, markersize=6, markeredgewidth=1.4, clip_on=False)
        share = f"{int(cut.sum()):,} of {len(cut):,} cut at {fixed(tokens[cut].max(), 0, grouped=True)}"
        axes.text(0.98, 0.98, share, transform=axes.transAxes, ha="right", va="top", fontsize=6, color=CUT)
    axes.set_xlabel(unit)
    axes.set_ylabel("Accuracy (%)")
    axes.set_ylim(0, 100)
    axes.set_xlim(left=0, right=1.25 * axes.get_xlim()[1] if cut.any() else None)
