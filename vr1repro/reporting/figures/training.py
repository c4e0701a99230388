"""Training curves of every arm, and what a second stage changes class by class."""

from typing import TYPE_CHECKING

import pandas as pd

from vr1repro.benchmarks.base import EXCLUDED
from vr1repro.reporting.figures.marks import errors, note, say_missing
from vr1repro.reporting.figures.style import DARK_BLUE, HOLLOW, arm_style, grid, new_figure, say
from vr1repro.reporting.run.arms import ArmInfo, smoothed
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.run.scores import accuracy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUANTITIES = (
    ("reward", "Reward"),
    ("entropy", "Entropy (nats a token)"),
    ("kl", "KL to the reference"),
    ("mean_length", "Completion tokens"),
    ("clipped_share", "Share cut at the limit"),
    ("zero_variance_share", "Groups without variance"),
)
_CLASS_ORDER = ("easy", "medium", "hard")


def training(results: Results, width: float | None = None) -> "Figure":
    """Reward, entropy, KL, length, clipped and zero-variance share of every trained arm, with its stage borders."""
    width = width or results.settings.page_width
    rows, columns = grid(len(_QUANTITIES), width, 1.6)
    figure, axes = new_figure(width, 0.8 + 1.65 * rows, rows, columns)
    logs = {arm: results.log(arm) for arm in map(_ending_in_own_stage, results.arms.values()) if arm}
    logs = {arm: log for arm, log in logs.items() if len(log) and log["stage"].max() == len(arm.stages)}
    names = [arm.name for arm in logs]
    for panel, (column, label) in zip(axes, _QUANTITIES, strict=True):
        for arm, log in logs.items():
            if column in log and log[column].notna().any():
                _curve(panel, arm, log, column, names, results.settings.points_per_curve)
        if not panel.lines:
            say_missing(panel, "not logged")
        panel.set_title(label, loc="left")
        panel.set_xlabel("RL steps")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=4 if width > 5 else 2)
    text = (
        "Markers: means over equal windows of steps; band: range of training seeds; thin, for one seed: single steps."
    )
    say(figure, note(results, f"{text} Dotted verticals: borders between stages."))
    return figure


def _ending_in_own_stage(arm: ArmInfo) -> ArmInfo | None:
    """Arms that trained something; one whose last stage belongs to another arm would draw the same curve twice."""
    return arm if arm.stages and arm.stages[-1].owner == arm.name else None


def _curve(axes: "Axes", arm: ArmInfo, log: pd.DataFrame, column: str, names: list[str], points: int) -> None:
    style = arm_style(arm.name, names)
    means = smoothed(log, column, points, arm.last_step)
    if log["train_seed"].nunique() == 1:
        axes.plot(log["step"], log[column], color=style["color"], linewidth=0.4, alpha=0.35)
    axes.plot(means["step"], means["value"], label=arm.label, **style)
    if (means["seeds"] > 1).any():
        low, high = means["seed_low"], means["seed_high"]
        axes.fill_between(means["step"], low, high, color=style["color"], alpha=0.15, linewidth=0)
    for stage in arm.stages[:-1]:
        axes.axvline(stage.last_step, color=style["color"], linestyle=":", linewidth=0.7)


def classes(results: Results, width: float | None = None) -> "Figure":
    """Accuracy by class of question after stage 1 and after stage 2 of every arm that has a second stage."""
    second = [arm for arm in results.arms.values() if len(arm.stages) > 1 and arm.stages[1].owner == arm.name]
    arms = [arm for arm in second if _pair(results, arm) is not None]
    benchmarks = [name for name in results.benchmarks if _class_names(results.headline, name)]
    width = width or results.settings.page_width
    cells = [(b, a) for b in benchmarks for a in arms]
    # Side by side where there is room for the names of the classes, else below each other.
    columns = max(1, len(arms)) if width >= 2.2 * len(arms) else 1
    rows = max(1, -(-len(cells) // columns))
    figure, axes = new_figure(min(width, 1 + 2.6 * columns), 0.6 + (1.5 if columns > 1 else 1.15) * rows, rows, columns)
    for panel, (benchmark, arm) in zip(axes, cells, strict=False):
        before, after = _pair(results, arm) or (pd.DataFrame(), pd.DataFrame())
        _dumbbells(panel, before, after, benchmark, results)
        panel.set_title(f"{benchmark}: {arm.label}", loc="left")
        panel.set_xlim(0, 100)
    if not arms or not benchmarks:
        say_missing(axes[0], "no arm has checkpoints of two stages")
    else:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    text = "Accuracy in percent at the end of stage 1 (hollow) and of stage 2 (filled), by class of question."
    say(figure, note(results, text))
    return figure


def _pair(results: Results, arm: ArmInfo) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Headline rows of an arm at the ends of its first and second stage; None where one was not evaluated."""
    first, second = arm.stages[0], arm.stages[1]
    before = _at(results, first.owner, 1, first.last_step)
    after = _at(results, second.owner, 2, second.last_step)
    if after.empty and len(arm.stages) == 2:
        after = results.final(arm.name)
    return None if before.empty or after.empty else (before, after)


def _at(results: Results, arm: str, stage: int, step: int) -> pd.DataFrame:
    rows = results.headline
    checkpoint = rows[(rows["arm"] == arm) & (rows["stage"] == stage).fillna(value=False)]
    checkpoint = checkpoint[checkpoint["step"] == step]
    info = results.arms.get(arm)
    if checkpoint.empty and info is not None and (info.last_step, len(info.stages)) == (step, stage):
        return results.final(arm)
    return checkpoint


def _class_names(frame: pd.DataFrame, benchmark: str) -> list[str]:
    rows = frame[(frame["benchmark"] == benchmark) & (frame["stratum"] != EXCLUDED)]
    names = set(rows["klass"].dropna().unique())
    return [*(name for name in _CLASS_ORDER if name in names), *sorted(names - set(_CLASS_ORDER))]


def _dumbbells(axes: "Axes", before: pd.DataFrame, after: pd.DataFrame, benchmark: str, results: Results) -> None:
    names = _class_names(results.headline, benchmark)
    for rows, offset, face, label in (
        (before, 0.12, HOLLOW, "after stage 1"),
        (after, -0.12, DARK_BLUE, "after stage 2"),
    ):
        parts = [rows[(rows["benchmark"] == benchmark) & (rows["klass"] == name)] for name in names]
        drawn = [(k, accuracy(part, results.settings)) for k, part in enumerate(parts) if len(part)]
        if not drawn:
            continue
        estimates = [estimate for _, estimate in drawn]
        axes.errorbar(
            [estimate.value for estimate in estimates],
            [len(names) - 1 - k + offset for k, _ in drawn],
            xerr=errors(estimates),
            fmt="o" if face == HOLLOW else "D",
            color=DARK_BLUE,
            markerfacecolor=face,
            elinewidth=0.8,
            capsize=2,
            label=label,
        )
    axes.set_yticks(range(len(names)), [name[:28] for name in reversed(names)])
    axes.set_ylim(-0.6, len(names) - 0.4)
