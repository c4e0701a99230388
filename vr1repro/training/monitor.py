"""`vr1repro watch`: a run's training in the terminal, read from its logs, so that looking never disturbs it."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vr1repro.core.errors import UserError
from vr1repro.core.outside import NotReadable, json_value
from vr1repro.training.phases import PHASES

_BARS = "▁▂▃▄▅▆▇█"
_CURVES = ("reward", "accuracy", "mean_length", "clipped_share", "zero_variance_share", "entropy", "kl", "loss")


@dataclass(frozen=True, kw_only=True)
class StageProgress:
    """A training stage as its folder shows it.

    Attributes:
        name: Its path below `train/`.
        rows: Its steps so far.
        timing: Their times.
        sample: The newest sampled completion, or None.
        done: Whether its manifest is there.
        changed: When its log last grew, seconds since the epoch.
    """

    name: str
    rows: list[dict[str, Any]]
    timing: list[dict[str, Any]]
    sample: dict[str, Any] | None
    done: bool
    changed: float


def read_stages(run: Path) -> list[StageProgress]:
    """Every training stage that has begun, the one that changed last at the end.

    Raises:
        UserError: The run has no training.
    """
    stages = []
    for log in sorted((run / "train").glob("*/s*/*/steps.jsonl")):
        folder = log.parent
        samples = _rows(folder / "samples.jsonl")
        stages.append(
            StageProgress(
                name=folder.relative_to(run / "train").as_posix(),
                rows=_rows(log),
                timing=_rows(folder / "timing.jsonl"),
                sample=samples[-1] if samples else None,
                done=(folder / "manifest.json").exists(),
                changed=log.stat().st_mtime,
            )
        )
    if not stages:
        raise UserError(f"{run}: no training here yet (train/*/s*/*/steps.jsonl); is it a run's folder?")
    return sorted(stages, key=lambda stage: stage.changed)


def _rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a log that another process may be writing: a torn last line is left out."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json_value(line))
        except NotReadable:
            continue
    return rows


def sparkline(values: Sequence[float], width: int = 48) -> str:
    """Values as a line of bars, means of equal windows where there are more than `width`."""
    if not values:
        return ""
    size = -(-len(values) // width)
    means = [sum(part) / len(part) for part in (values[k : k + size] for k in range(0, len(values), size))]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    return "".join(_BARS[round((mean - low) / span * (len(_BARS) - 1))] for mean in means)


def view(stages: Sequence[StageProgress], width: int = 48) -> RenderableType:
    """All stages in a table, and the newest one's curves, outcomes, times and last sample."""
    table = Table(title=None, expand=False)
    for column in ("stage", "steps", "reward", "tokens", "clipped", "s/step"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage in stages:
        last = stage.rows[-1] if stage.rows else {}
        seconds = [row["seconds"] for row in stage.timing[-10:]]
        table.add_row(
            Text(stage.name + (" ✓" if stage.done else "")),
            str(len(stage.rows)),
            _number(last.get("reward")),
            _number(last.get("mean_length"), 0),
            _number(last.get("clipped_share")),
            _number(sum(seconds) / len(seconds) if seconds else None),
        )
    newest = stages[-1]
    curves = Table.grid(padding=(0, 2))
    for name in _CURVES:
        values = [float(row[name]) for row in newest.rows if row.get(name) is not None]
        if values:
            curves.add_row(name, sparkline(values, width), f"{_number(values[0])} → {_number(values[-1])}")
    if newest.rows and (outcomes := newest.rows[-1].get("outcomes")):
        curves.add_row("outcomes", ", ".join(f"{name} {share:.0%}" for name, share in outcomes.items() if share), "")
    if newest.timing and "generate" in (last := newest.timing[-1]):
        curves.add_row("seconds", ", ".join(f"{name} {last[name]:.2f}" for name in PHASES), "")
    parts: list[RenderableType] = [table, Panel(curves, title=Text(newest.name), title_align="left")]
    if newest.sample:
        head = f"{newest.sample['id']}, gold {newest.sample['gold']}, reward {newest.sample['reward']:g}"
        parts.append(Panel(_plain(newest.sample["completion"][:1500]), title=_plain(head), title_align="left"))
    return Group(*parts)


def _plain(text: str) -> Text:
    """Text of a model or a data set: no markup, and nothing that a terminal would obey."""
    return Text("".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text))


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def watch(run: Path, every_s: float, once: bool) -> None:
    """Show a run's training until interrupted.

    Args:
        run: `results/<run>`.
        every_s: Seconds between looks.
        once: Show it once and return.

    Raises:
        UserError: The run has no training.
    """
    console = Console()
    if once:
        console.print(view(read_stages(run)))
        return
    first = view(read_stages(run))
    with suppress(KeyboardInterrupt), Live(first, console=console, auto_refresh=False) as live:
        while True:
            time.sleep(every_s)
            live.update(view(read_stages(run)), refresh=True)
