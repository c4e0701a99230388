"""Commands beside a run: `vr1repro watch`, `warm`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError

app = typer.Typer()


@app.command()
def watch(
    run: Annotated[Path, typer.Argument(help="A run's folder, results/<run>.")],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once.")] = False,
) -> None:
    """Watch a run's training: curves, reward outcomes, times, sampled completions. Ctrl-C ends the watching only."""
    from vr1repro.training.monitor import watch as show

    show(run, every, once)


# What follows the command's name is the started command's.
@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def warm(
    command: Annotated[list[str], typer.Argument(help="For example: snakemake --cores 2", show_default=False)],
) -> None:
    """Run a command whose jobs need not import torch each anew.

    A process beside it imports torch, transformers and TRL once, and jobs are forked from it. Results are the same. A
    job's memory and CPU stand at the end of its log instead of in its benchmark file.
    """
    from vr1repro.jobs.warm.client import end_as
    from vr1repro.jobs.warm.launch import run_beside

    try:
        code = run_beside(command)
    except OSError as error:
        raise UserError(f"vr1repro warm: {command[0]}: {error.strerror}") from None
    end_as(code)
