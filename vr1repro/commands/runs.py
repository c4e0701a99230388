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
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from vr1repro.config.loader import load
    from vr1repro.reporting import build
    from vr1repro.reporting.lineage import archive as kept
    from vr1repro.reporting.page import pictures
    from vr1repro.reporting.tables.ours import all_sheets

    config = archive / kept.CONFIG
    with kept.opened(archive) as run, ProcessPoolExecutor(1, get_context("forkserver")) as second:
        figures = second.submit(_figures, config, run, out / "figures", published)  # as long as all the rest
        pictures.draw_again(run, load(config))
        results, plan = build.open_run(config, run)
        sheets = all_sheets(results)
        build.make_tables(results, out / "tables", plan.config, sheets)
        build.make_scores(results, out / "tables" / "scores.csv")
        figures.result()
        text = config.read_text(encoding="utf-8")
        build.make_report(results, out / "report", out / "figures", text, plan.config, sheets=sheets)
        typer.echo(build.summary(results))


def _figures(config: Path, run: Path, out: Path, published: Path | None) -> None:
    from vr1repro.reporting import build
    from vr1repro.reporting.figures.registry import write_published_figure

    build.make_figures(build.open_run(config, run)[0], out)
    if published is not None:
        write_published_figure(published)


def why(
    cell: Annotated[str, typer.Argument(help="<table>:<row>:<column>, for example T1:Vision-R1-7B:MathVista.")],
    run: Annotated[Path, typer.Option(help="A run's folder, or a kept run.")] = Path("results/micro"),
) -> None:
    """Print what a table's cell was made from: files, hashes, commits, checkpoints, config."""
    from vr1repro.reporting import build
    from vr1repro.reporting.lineage import archive, chain

    with archive.folder_of(run) as folder:
        results, _ = build.open_run(run / archive.CONFIG, folder)
        typer.echo(chain.explain(results, run / archive.CONFIG, cell))
