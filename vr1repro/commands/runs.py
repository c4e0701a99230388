"""Commands on runs: `vr1repro check`, `watch`, `warm`, `keep`, `redraw`, `why`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError


def check(config: Annotated[Path, typer.Argument(help="A config file.")]) -> None:
    """Check a config and list what it makes."""
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan

    plan = Plan(load(config))
    for arm in plan.config.run_arms:
        for checkpoint in plan.final_checkpoints(arm):
            typer.echo(f"{arm:24} {plan.checkpoint_model(checkpoint)}")


def watch(
    run: Annotated[Path, typer.Argument(help="A run's folder, results/<run>.")],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once.")] = False,
) -> None:
    """Watch a run's training: curves, reward outcomes, times, sampled completions. Ctrl-C ends the watching only."""
    from vr1repro.training.monitor import watch as show

    show(run, every, once)


def warm(
    command: Annotated[list[str], typer.Argument(help="For example: snakemake --cores 2", show_default=False)],
) -> None:
    """Run a command whose jobs need not import torch each anew.

    A process beside it imports torch, transformers and TRL once, and jobs are forked from it. Results are the same. A
    job's memory and CPU stand at the end of its log instead of in its benchmark file.
    """
    from vr1repro.jobs.warm.client import end_as
    from vr1repro.jobs.warm.server import run_beside

    try:
        code = run_beside(command)
    except OSError as error:
        raise UserError(f"vr1repro warm: {command[0]}: {error.strerror}") from None
    end_as(code)


def keep(
    config: Annotated[Path, typer.Option(help="The run's resolved config, results/<run>/config.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder to write, for example results/reference/micro.")],
) -> None:
    """Keep a finished run as one small archive of its evidence, without weights."""
    from vr1repro.reporting.lineage import archive

    size = archive.keep(config.parent, out)
    typer.echo(f"{out / archive.EVIDENCE}: {size / 1e6:.1f} MB")


def redraw(
    archive: Annotated[Path, typer.Option("--reference", help="A kept run.")],
    out: Annotated[Path, typer.Option(help="Folder for tables/, figures/ and report/.")],
    published: Annotated[
        Path | None, typer.Option(help="Folder in which to draw Figure 1 of the published values alone.")
    ] = None,
) -> None:
    """Make the tables, figures and report of a kept run again, from its archive alone."""
    from vr1repro.reporting.redraw import redraw as make_again

    typer.echo(make_again(archive, out, published))


def why(
    cell: Annotated[str, typer.Argument(help="<table>:<row>:<column>, for example T1:Vision-R1-7B:MathVista.")],
    run: Annotated[Path, typer.Option(help="A run's folder, or a kept run.")] = Path("results/micro"),
) -> None:
    """Print what a table's cell was made from: files, hashes, commits, checkpoints, config."""
    from vr1repro.reporting.lineage import archive
    from vr1repro.reporting.run.results import open_run
    from vr1repro.reporting.tables.why import explain

    with archive.folder_of(run) as folder:
        results, _ = open_run(run / archive.CONFIG, folder)
        typer.echo(explain(results, run / archive.CONFIG, cell))
