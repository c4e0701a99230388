"""How much of a score is the grader's and the protocol's, and the yield of the cold-start set."""

from typing import TYPE_CHECKING

import numpy as np

from vr1repro.reporting.figures.marks import errors, note, say_missing
from vr1repro.reporting.figures.style import DARK_BLUE, GRADER_COLOURS, SKY_BLUE, new_figure, say
from vr1repro.reporting.run.arms import coldset_yield
from vr1repro.reporting.run.results import MICRO_NOTE, Results
from vr1repro.reporting.run.scores import accuracy, average_weights

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def graders(results: Results, width: float | None = None) -> "Figure":
    """Each arm's mean accuracy under every protocol and scoring profile: how much of a score is the grader's."""
    figure, axes = new_figure(width or results.settings.page_width, 0.8 + 0.32 * max(2, len(results.evaluated)))
    panel, arms = axes[0], results.evaluated
    ends = results.frame[results.frame["final"]] if len(results.frame) else results.frame
    kinds = sorted(set(zip(ends["protocol"], ends["profile"], strict=True)))
    for k, (protocol, profile) in enumerate(kinds):
        rows = ends[(ends["protocol"] == protocol) & (ends["profile"] == profile)]
        parts = [(y, rows[rows["arm"] == arm]) for y, arm in enumerate(arms)]
        drawn = [(y, accuracy(part, results.settings, average_weights(part))) for y, part in parts if len(part)]
        if not drawn:
            continue
        offset = 0.5 * (k - (len(kinds) - 1) / 2) / max(1, len(kinds))
        panel.errorbar(
            [estimate.value for _, estimate in drawn],
            [len(arms) - 1 - y - offset for y, _ in drawn],
            xerr=errors([estimate for _, estimate in drawn]),
            fmt="osD^vPX<>"[k % 9],
            color=GRADER_COLOURS[k % len(GRADER_COLOURS)],
            elinewidth=0.6,
            capsize=1.5,
            label=f"{protocol}, {profile}",
        )
    if kinds:
        figure.legend(
            *panel.get_legend_handles_labels(), loc="outside upper center", ncols=2 if (width or 9) < 5 else 4
        )
    else:
        say_missing(panel, "no verdicts")
    panel.set_yticks(range(len(arms)), [results.label(arm) for arm in reversed(arms)])
    panel.set_xlabel("Mean accuracy over benchmarks (%)")
    text = "The same responses under every protocol and scoring profile that was run."
    if len(kinds) < 2:
        text = "One protocol and one scoring profile were run: how far others would move the scores is not known."
    say(figure, note(results, text))
    return figure


def coldset(results: Results, width: float | None = None) -> "Figure":
    """What became of the problems of the cold-start set: kept, or rejected by which rule."""
    figure, axes = new_figure(width or results.settings.page_width, 2.0)
    panel, report = axes[0], coldset_yield(results.coldset)
    if report is None:
        say_missing(panel, "no cold-start set was built in this run")
    else:
        parts = [("kept", report["kept"]), *((k, n) for k, n in report.get("rejected", {}).items() if n)]
        total = max(1, report["problems"])
        labels = [name for name, _ in parts][::-1]
        counts = np.array([n for _, n in parts][::-1], dtype=np.float64)
        bars = panel.barh(labels, 100 * counts / total, color=[SKY_BLUE] * (len(parts) - 1) + [DARK_BLUE])
        panel.bar_label(bars, [f"{int(n):,}" for n in counts], padding=2, fontsize=6)
        panel.set_xlim(0, 110)
        panel.set_xlabel(f"Percent of {report['problems']:,} problems")
    say(figure, "" if results.comparable else f"{MICRO_NOTE}.")
    return figure
