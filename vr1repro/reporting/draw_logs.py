"""What `vr1repro figures` writes: the logs as step logs of a run, and Figure 1 D to F of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from vr1repro.config.reporting import ReportSettings
from vr1repro.reporting.figures.build import COLUMN
from vr1repro.reporting.figures.logged import logged_figure
from vr1repro.reporting.figures.style import drawing, save
from vr1repro.reporting.logged.convert import read_stages, write_stages

FIGURE = "figure1-logs"
_LABELS = {"schema_version", "arm", "stage", "step"}


def draw_logs(logs: Mapping[str, Sequence[Path]], out: Path, *, paper: bool = True) -> str:
    """Write `run/train/<name>/s0/stage<k>/steps.jsonl` and `figures/figure1-logs` below a folder.

    Args:
        logs: By the run's name its logs, a stage each.
        paper: Draw the paper's curves too.

    Returns:
        A line for each log: who wrote it, its steps and columns.

    Raises:
        UserError: A log is bad; the message names file and line.
    """
    arms = {name: read_stages(name, paths) for name, paths in logs.items()}
    write_stages(out / "run", arms)
    settings = ReportSettings()
    frames = {
        name: pd.DataFrame([row for stage in stages for row in stage.rows]).assign(train_seed=0)
        for name, stages in arms.items()
    }
    with drawing():
        save(logged_figure(frames, settings, paper=paper), out / "figures", FIGURE)
        narrow = logged_figure(frames, settings, paper=paper, width=settings.column_width)
        save(narrow, out / "figures", f"{FIGURE}{COLUMN}", ("pdf", "png"))
    lines = []
    for name, stages in arms.items():
        for number, stage in enumerate(stages, start=1):
            columns = sorted({column for row in stage.rows for column in row} - _LABELS)
            steps = f"steps {stage.rows[0]['step']} to {stage.rows[-1]['step']}"
            lines.append(f"{name} stage {number}: {stage.framework}, {steps}; {', '.join(columns)}")
    return "\n".join([*lines, str(out / "figures" / f"{FIGURE}.png")])
