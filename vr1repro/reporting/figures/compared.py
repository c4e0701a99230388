"""Figures of anyone's models: accuracy by class of question and by length of response, beside published scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.published import Target
from vr1repro.reporting.figures.length import draw_by_length
from vr1repro.reporting.figures.marks import errors, note, say_missing
from vr1repro.reporting.figures.style import EDGE, FAINT, HOLLOW, arm_style, grid, new_figure, say
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import accuracy, eval_folders, last_responses, pick
from vr1repro.reporting.statistics.estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PRINTED_MARKS = ("D", "s", "^", "o", "v", "P")
_MOST_CLASSES = 20  # of one benchmark; scores.csv has all


@dataclass(frozen=True)
class PrintedScore:
    """A published score.

    Attributes:
        model: Whose, as a legend says it.
        target: Which score.
        name: What the paper heads it.
        elsewhere: Whether neither the authors nor who they quote measured it.
    """

    model: str
    target: Target
    name: str
    value: float
    elsewhere: bool = False


def by_class(results: Results, printed: Sequence[PrintedScore], width: float | None = None) -> "Figure":
    """Accuracy of every model by sub-score: those that are printed, else the benchmark's classes."""
    benchmarks = results.benchmarks
    classes = {benchmark: _classes(results, printed, benchmark) for benchmark in benchmarks}
    row = max(0.24, 0.1 + 0.075 * (len(results.evaluated)))
    heights = [max(0.9, row * len(classes[benchmark]) + 0.5) for benchmark in benchmarks] or [1.5]
    figure, axes = new_figure(width or results.settings.page_width, 0.7 + sum(heights), max(1, len(benchmarks)))
    axes[0].get_gridspec().set_height_ratios(heights)  # type: ignore[union-attr]
    marks = _marks(printed)
    for panel, benchmark in zip(axes, benchmarks, strict=False):
        _draw_classes(panel, results, classes[benchmark], benchmark, printed, marks)
    if benchmarks:
        _legend(figure, axes, 4 if figure.get_figwidth() > 5 else 2)
    else:
        say_missing(axes[0], "no verdicts")
    text = "Accuracy in percent with its interval over questions; hollow: published, whose intervals are not known."
    say(figure, note(results, text))
    return figure


def _marks(printed: Sequence[PrintedScore]) -> dict[str, str]:
    names = dict.fromkeys(score.model for score in printed)
    return {name: _PRINTED_MARKS[k % len(_PRINTED_MARKS)] for k, name in enumerate(names)}


def _classes(results: Results, printed: Sequence[PrintedScore], benchmark: str) -> dict[str, str]:
    """Names of a benchmark's sub-scores in `subsets` or `klass`, the whole first, and what the panel calls them."""
    named = {"overall": "ALL"}
    for score in printed:
        target = score.target
        if target.benchmark == benchmark and target.quantity == "accuracy":
            named.setdefault(target.subset, score.name or target.subset)
    if len(named) == 1:
        rows = results.headline[results.headline["benchmark"] == benchmark]
        klasses = rows.loc[rows["stratum"] != EXCLUDED, "klass"].dropna().unique()
        named |= {f"class {name}": str(name) for name in sorted(klasses)}
    return dict(list(named.items())[:_MOST_CLASSES])


def _score(results: Results, rows: pd.DataFrame, name: str) -> Estimate | None:
    klass = name.removeprefix("class ")
    part = rows[rows["klass"] == klass] if name.startswith("class ") else pick(rows, name)
    if part.empty or not part["correct"].notna().any():
        return None
    if (part["stratum"] == EXCLUDED).all():  # an ablation of MathVerse: its own row, never part of the whole
        part = part.assign(stratum="all")
    return accuracy(part, results.settings)


def _draw_classes(
    axes: "Axes",
    results: Results,
    classes: Mapping[str, str],
    benchmark: str,
    printed: Sequence[PrintedScore],
    marks: Mapping[str, str],
) -> None:
    places = {name: len(classes) - 1 - k for k, name in enumerate(classes)}
    arms = results.evaluated
    for k, arm in enumerate(arms):
        rows = results.final(arm)
        rows = rows[rows["benchmark"] == benchmark]
        offset = 0.6 * ((len(arms) - 1) / 2 - k) / max(1, len(arms))
        scores = [(name, score) for name in classes if (score := _score(results, rows, name)) is not None]
        if not scores:
            continue
        style = arm_style(arm, arms) | {"linestyle": "", "markersize": 3.5}
        axes.errorbar(
            [score.value for _, score in scores],
            [places[name] + offset for name, _ in scores],
            xerr=errors([score for _, score in scores]),
            label=results.label(arm),
            ecolor=EDGE,
            elinewidth=0.6,
            capsize=1.5,
            **style,
        )
    for model, mark in marks.items():
        scores_of = [
            (score.value, places[score.target.subset])
            for score in printed
            if score.model == model
            and (score.target.benchmark, score.target.quantity) == (benchmark, "accuracy")
            and score.target.subset in places
        ]
        if scores_of:
            x, y = zip(*scores_of, strict=True)
            axes.plot(x, y, mark, color=HOLLOW, markeredgecolor=EDGE, markersize=4.5, label=f"{model} (published)")
    axes.set_yticks(list(places.values()), [name[:32] for name in classes.values()])
    axes.set_ylim(-0.7, len(classes) - 0.3)
    axes.set_xlim(left=0, right=None if _is_sum(benchmark) else 100)
    axes.set_title(lookup.facts(benchmark).title, loc="left")
    axes.set_xlabel("Score" if _is_sum(benchmark) else "Accuracy (%)")


def _is_sum(benchmark: str) -> bool:
    return lookup.facts(benchmark).summed


def by_length(results: Results, printed: Sequence[PrintedScore], width: float | None = None) -> "Figure":
    """Accuracy of every model in classes of response length, on each benchmark, with published overall scores."""
    cells = [
        (arm, benchmark)
        for benchmark in results.benchmarks
        if not _is_sum(benchmark)
        for arm in results.evaluated
        if (results.final(arm)["benchmark"] == benchmark).any()
    ]
    width = width or results.settings.page_width
    rows, columns = grid(max(1, len(cells)), width, 1.6)
    figure, axes = new_figure(width, 0.8 + 1.65 * rows, rows, columns)
    printed = [score for score in printed if not score.elsewhere]
    marks = _marks(printed)
    lines = dict(zip(marks, ("--", ":", "-.", (0, (5, 1)), (0, (1, 3)), (0, (3, 1, 1, 1))), strict=False))
    counted_in_words = False
    for panel, (arm, benchmark) in zip(axes, cells, strict=False):
        frame = results.final(arm)
        frame = frame[frame["benchmark"] == benchmark]
        in_words = bool(frame["n_tokens"].isna().all())
        counted_in_words |= in_words
        if in_words:
            frame = frame.assign(n_tokens=_words(results, frame))
        draw_by_length(panel, frame, results, "Words of the response" if in_words else "Completion tokens")
        for score in printed:
            target = score.target
            if (target.benchmark, target.subset) == (benchmark, "overall") and score.model in lines:
                style: dict[str, Any] = {"color": FAINT, "linewidth": 0.9, "linestyle": lines[score.model]}
                panel.axhline(score.value, label=f"{score.model} (published, any length)", **style)
        panel.set_title(f"{results.label(arm)}, {lookup.facts(benchmark).title}", loc="left")
    for panel in axes[len(cells) :]:
        panel.set_visible(False)
    if cells:
        _legend(figure, axes, 3 if width > 5 else 1)
    else:
        axes[0].set_visible(True)
        say_missing(axes[0], "no responses to a benchmark in percent")
    text = "Six classes of equal size; bands: bootstrap over problems. Crosses: responses cut at the token limit."
    if counted_in_words:
        text += " Words, where a file has no token counts. The paper prints no accuracy by length for most models."
    say(figure, note(results, text))
    return figure


def _legend(figure: "Figure", axes: Sequence["Axes"], columns: int) -> None:
    """One legend of all panels, each name once."""
    handles = {
        label: handle for panel in axes for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=columns)


def _words(results: Results, frame: pd.DataFrame) -> np.ndarray:
    """Words of each row's response; shape (rows,)."""
    counts: dict[tuple[str, str, int, str], int] = {}
    models, protocol = set(frame["model"]), results.settings.protocol
    for folder in eval_folders(results.run):
        if folder.model in models and folder.protocol == protocol:
            for key, row in last_responses(folder.path / "responses.jsonl").items():
                counts[folder.model, folder.benchmark, folder.eval_seed, key] = len(row.response.split())
    keys = frame[["model", "benchmark", "eval_seed", "id"]].itertuples(index=False, name=None)
    return np.array([counts[key] for key in keys], dtype=np.float64)
