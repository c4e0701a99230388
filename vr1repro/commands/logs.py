"""`vr1repro figures`: Figure 1 D to F from the logs of anyone's RL runs."""

import re
from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.base import NAME
from vr1repro.core.errors import UserError

app = typer.Typer()


@app.command()
def figures(
    logs: Annotated[
        list[str],
        typer.Option(
            help="NAME=PATH: a log of EasyR1 (experiment_log.jsonl), verl (<experiment>.jsonl), TRL"
            " (trainer_state.json) or this package (steps.jsonl), TensorBoard's event files, or the folder of one."
            " Names zero, long and vision-r1 have the paper's colours. Repeatable; the same NAME again is its next"
            " stage."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for run/ (the logs as steps.jsonl) and figures/.")],
    paper: Annotated[bool, typer.Option(help="Draw the paper's digitised curves too.")] = True,
) -> None:
    """Draw length, accuracy and reward over the steps (Figure 1 D to F) from logs of RL runs made elsewhere."""
    from vr1repro.reporting.draw_logs import draw_logs

    by_name: dict[str, list[Path]] = {}
    for text in logs:
        name, _, path = text.partition("=")
        if not re.fullmatch(NAME, name) or not path:
            raise UserError(f"--logs {text}: must be NAME=PATH, NAME of small letters, digits, dots and hyphens")
        by_name.setdefault(name, []).append(Path(path))
    typer.echo(draw_logs(by_name, out, paper=paper))
