"""The other figures: training curves, classes before and after a stage, length against accuracy, graders, yield."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vr1repro.reporting.arms import ArmInfo, coldset_yield, smoothed
from vr1repro.reporting.bootstrap import bootstrap_band
from vr1repro.reporting.comparison import MICRO_NOTE
from vr1repro.reporting.questions import EXCLUDED
from vr1repro.reporting.results import Results
from vr1repro.reporting.scores import accuracy, average_weights
from vr1repro.reporting.statistics import Estimate
from vr1repro.reporting.style import DARK_BLUE, EDGE, LIGHT_BLUE, SKY_BLUE, arm_style, new_figure, say

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUANTITIES = (
    ("reward", "Reward"),
    ("entropy", "Entropy (nats a token)"),
    ("kl", "KL to the reference"),
    ("mean_length", "Completion tokens"),
    ("clipped_share", "Share cut at the limit"),
    ("zero_variance_share", "Share of groups without variance"),
)
_CLASS_ORDER = ("easy", "medium", "hard")
_LENGTH_CLASSES = 6


def _note(results: Results, text: str) -> str:
    return text if results.comparable else f"{MICRO_NOTE}.\n{text}"


def _say_missing(axes: "Axes", text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#777777")


def _bars(estimates: Sequence[Estimate]) -> np.ndarray:
    ends = np.array([(e.value - e.low, e.high - e.value) for e in estimates], dtype=np.float64)
    return np.clip(np.where(np.isfinite(ends), ends, 0.0), 0.0, None).T


def training(results: Results) -> "Figure":
    """Reward, entropy, KL, length, clipped and zero-variance share of every trained arm, with its stage borders."""
    width = results.settings.page_width
    figure, axes = new_figure(width, 0.58 * width, 2, 3)
    logs = {arm: results.log(arm) for arm in map(_ending_in_own_stage, results.arms.values()) if arm}
    logs = {arm: log for arm, log in logs.items() if len(log) and log["stage"].max() == len(arm.stages)}
    names = [arm.name for arm in logs]
    for place, (column, label) in zip(axes, _QUANTITIES, strict=True):
        for arm, log in logs.items():
            if column in log and log[column].notna().any():
                _curve(place, arm, log, column, names, results.settings.points_per_curve)
        if not place.lines:
            _say_missing(place, "not logged")
        place.set_title(label, loc="left")
        place.set_xlabel("RL steps")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=4)
    text = "Markers: means over equal windows of steps; thin: single steps; band: range of training seeds."
    say(figure, _note(results, f"{text} Dotted verticals: borders between stages."))
    return figure


def _ending_in_own_stage(arm: ArmInfo) -> ArmInfo | None:
    """Arms that trained something; one whose last stage belongs to another arm would draw the same curve twice."""
    return arm if arm.stages and arm.stages[-1].owner == arm.name else None


def _curve(axes: "Axes", arm: ArmInfo, log: pd.DataFrame, column: str, names: list[str], points: int) -> None:
    style = arm_style(arm.name, names)
    for _, part in log.groupby("train_seed"):
        axes.plot(part["step"], part[column], color=style["color"], linewidth=0.4, alpha=0.35)
    means = smoothed(log, column, points, arm.last_step)
    axes.plot(means["step"], means["value"], label=arm.label, **style)
    if (means["seeds"] > 1).any():
        low, high = means["seed_low"], means["seed_high"]
        axes.fill_between(means["step"], low, high, color=style["color"], alpha=0.15, linewidth=0)
    for stage in arm.stages[:-1]:
        axes.axvline(stage.last_step, color=style["color"], linestyle=":", linewidth=0.7)


def classes(results: Results) -> "Figure":
    """Accuracy by class of question after stage 1 and after stage 2 of every arm that has a second stage."""
    second = [arm for arm in results.arms.values() if len(arm.stages) > 1 and arm.stages[1].owner == arm.name]
    arms = [arm for arm in second if _pair(results, arm) is not None]
    benchmarks = [name for name in results.benchmarks if _class_names(results.headline, name)]
    width = results.settings.page_width
    rows, columns = max(1, len(benchmarks)), max(1, len(arms))
    figure, axes = new_figure(min(width, 1 + 2.2 * columns), 0.4 + 1.5 * rows, rows, columns)
    for place, (benchmark, arm) in zip(axes, [(b, a) for b in benchmarks for a in arms], strict=False):
        before, after = _pair(results, arm) or (pd.DataFrame(), pd.DataFrame())
        _dumbbells(place, before, after, benchmark, results)
        place.set_title(f"{benchmark}: {arm.label}", loc="left")
        place.set_xlim(0, 100)
    if not arms or not benchmarks:
        _say_missing(axes[0], "no arm has checkpoints of two stages")
    else:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    text = "Accuracy in percent at the end of stage 1 (hollow) and of stage 2 (filled), by class of question."
    say(figure, _note(results, text))
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
    found = rows[(rows["arm"] == arm) & (rows["stage"] == stage).fillna(value=False)]
    found = found[found["step"] == step]
    info = results.arms.get(arm)
    if found.empty and info is not None and (info.last_step, len(info.stages)) == (step, stage):
        return results.final(arm)
    return found


def _class_names(frame: pd.DataFrame, benchmark: str) -> list[str]:
    rows = frame[(frame["benchmark"] == benchmark) & (frame["stratum"] != EXCLUDED)]
    names = set(rows["klass"].dropna().unique())
    return [*(name for name in _CLASS_ORDER if name in names), *sorted(names - set(_CLASS_ORDER))]


def _dumbbells(axes: "Axes", before: pd.DataFrame, after: pd.DataFrame, benchmark: str, results: Results) -> None:
    names = _class_names(results.headline, benchmark)
    for rows, offset, face, label in (
        (before, 0.12, "white", "after stage 1"),
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
            xerr=_bars(estimates),
            fmt="o" if face == "white" else "D",
            color=DARK_BLUE,
            markerfacecolor=face,
            elinewidth=0.8,
            capsize=2,
            label=label,
        )
    axes.set_yticks(range(len(names)), [name[:28] for name in reversed(names)])
    axes.set_ylim(-0.6, len(names) - 0.4)


def length_accuracy(results: Results) -> "Figure":
    """Accuracy against response length: arms as points, then every arm's responses in classes of equal size."""
    arms = [arm for arm in results.evaluated if results.final(arm)["n_tokens"].notna().any()]
    columns = 3
    rows = -(-(len(arms) + 1) // columns)
    width = results.settings.page_width
    figure, axes = new_figure(width, 0.3 + 1.75 * rows, rows, columns)
    _arms_as_points(axes[0], results, arms)
    for place, arm in zip(axes[1:], arms, strict=False):
        _responses(place, results.final(arm), results)
        place.set_title(results.label(arm), loc="left")
    for place in axes[len(arms) + 1 :]:
        place.set_visible(False)
    text = (
        "Bands: bootstrap over problems. Crosses at the right: responses cut at the token limit (their true length is"
    )
    say(figure, _note(results, f"{text} unknown), with their share."))
    return figure


def _arms_as_points(axes: "Axes", results: Results, arms: list[str]) -> None:
    for arm in arms:
        length = results.length(arm)
        rows = results.final(arm)
        if length is None:
            continue
        score = accuracy(rows, results.settings, average_weights(rows))
        style = arm_style(arm, arms) | {"linestyle": "", "markersize": 5}
        errors: dict[str, Any] = {
            "xerr": _bars([length]),
            "yerr": _bars([score]),
            "ecolor": EDGE,
            "elinewidth": 0.6,
            "capsize": 1.5,
        }
        axes.errorbar(length.value, score.value, label=results.label(arm), **errors, **style)
    axes.set_title("All arms", loc="left")
    axes.set_xlabel("Mean completion tokens")
    axes.set_ylabel("Mean accuracy (%)")
    if arms:
        axes.legend(fontsize=5.5, loc="best")
    else:
        _say_missing(axes, "no token counts")


def _responses(axes: "Axes", frame: pd.DataFrame, results: Results) -> None:
    rows = frame[frame["n_tokens"].notna() & (frame["stratum"] != EXCLUDED)]
    cut = (rows["finish_reason"] == "length").to_numpy()
    right = np.array([value is True for value in rows["correct"]], dtype=np.float64)
    tokens = rows["n_tokens"].to_numpy(dtype=np.float64)
    clusters = list(zip(rows["benchmark"], rows["cluster"], strict=True))
    borders = np.linspace(0, 1, _LENGTH_CLASSES + 1)
    edges = np.unique(np.quantile(tokens[~cut], borders)) if (~cut).any() else np.empty(0)
    if len(edges) > 1:
        inside = np.clip(np.searchsorted(edges, tokens, side="left") - 1, 0, len(edges) - 2)
        inside[cut] = len(edges) - 1  # censored: a class of their own, drawn as a cross

        def by_class(index: np.ndarray) -> np.ndarray:
            hits = np.bincount(inside[index], weights=right[index], minlength=len(edges))[:-1]
            seen = np.bincount(inside[index], minlength=len(edges))[:-1].astype(np.float64)
            return np.divide(100 * hits, seen, out=np.full_like(hits, np.nan), where=seen > 0)

        settings = results.settings
        options: dict[str, Any] = {"draws": settings.bootstrap_draws, "confidence": settings.confidence}
        low, high = bootstrap_band(by_class, clusters, seed=settings.seed, **options)
        sums = np.bincount(inside, weights=tokens, minlength=len(edges))[:-1]
        seen = np.maximum(np.bincount(inside, minlength=len(edges))[:-1], 1)
        x = sums / seen
        axes.fill_between(x, low, high, color=LIGHT_BLUE, alpha=0.6, linewidth=0)
        axes.plot(x, by_class(np.arange(len(rows))), color=DARK_BLUE, marker="o")
    if cut.any():
        x_cut = tokens[cut].mean()
        axes.plot(x_cut, 100 * right[cut].mean(), "x", color="#B22222", markersize=6, markeredgewidth=1.4)
        share = f"{100 * cut.mean():.1f} % cut"
        axes.annotate(share, (x_cut, 100 * right[cut].mean()), xytext=(-4, 5), textcoords="offset points", ha="right")
    axes.set_xlabel("Completion tokens")
    axes.set_ylabel("Accuracy (%)")
    axes.set_ylim(0, 100)
    axes.set_xlim(left=0)


def graders(results: Results) -> "Figure":
    """Each arm's mean accuracy under every protocol and scoring profile: how much of a score is the grader's."""
    figure, axes = new_figure(results.settings.page_width, 0.8 + 0.32 * max(2, len(results.evaluated)))
    place, arms = axes[0], results.evaluated
    ends = results.frame[results.frame["final"]] if len(results.frame) else results.frame
    kinds = sorted(set(zip(ends["protocol"], ends["profile"], strict=True)))
    for k, (protocol, profile) in enumerate(kinds):
        rows = ends[(ends["protocol"] == protocol) & (ends["profile"] == profile)]
        parts = [(y, rows[rows["arm"] == arm]) for y, arm in enumerate(arms)]
        drawn = [(y, accuracy(part, results.settings, average_weights(part))) for y, part in parts if len(part)]
        if not drawn:
            continue
        offset = 0.5 * (k - (len(kinds) - 1) / 2) / max(1, len(kinds))
        place.errorbar(
            [estimate.value for _, estimate in drawn],
            [len(arms) - 1 - y - offset for y, _ in drawn],
            xerr=_bars([estimate for _, estimate in drawn]),
            fmt="osD^vPX<>"[k % 9],
            color=(DARK_BLUE, "#E69F00", "#009E73", "#CC79A7", "#56B4E9")[k % 5],
            elinewidth=0.6,
            capsize=1.5,
            label=f"{protocol}, {profile}",
        )
    if kinds:
        figure.legend(*place.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    else:
        _say_missing(place, "no verdicts")
    place.set_yticks(range(len(arms)), [results.label(arm) for arm in reversed(arms)])
    place.set_xlabel("Mean accuracy over benchmarks (%)")
    say(figure, _note(results, "The same responses under every protocol and scoring profile that was run."))
    return figure


def coldset(results: Results) -> "Figure":
    """What became of the problems of the cold-start set: kept, or rejected by which rule."""
    figure, axes = new_figure(results.settings.column_width, 2.0)
    place, report = axes[0], coldset_yield(results.run)
    if report is None:
        _say_missing(place, "no cold-start set was built in this run")
    else:
        parts = [("kept", report["kept"]), *((k, n) for k, n in report.get("rejected", {}).items() if n)]
        total = max(1, report["problems"])
        labels = [name for name, _ in parts][::-1]
        counts = np.array([n for _, n in parts][::-1], dtype=np.float64)
        bars = place.barh(labels, 100 * counts / total, color=[SKY_BLUE] * (len(parts) - 1) + [DARK_BLUE])
        place.bar_label(bars, [f"{int(n):,}" for n in counts], padding=2, fontsize=6)
        place.set_xlim(0, 110)
        place.set_xlabel(f"Percent of {report['problems']:,} problems")
    say(figure, "" if results.comparable else f"{MICRO_NOTE}.")
    return figure
