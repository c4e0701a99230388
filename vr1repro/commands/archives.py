"""Commands on kept runs: `vr1repro keep`, `redraw`, `why`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def keep(
    config: Annotated[Path, typer.Option(help="The run's resolved config, results/<run>/config.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder to write, for example results/reference/micro.")],
) -> None:
    """Keep a finished run as one small archive of its evidence, without weights."""
    from vr1repro.reporting.lineage import archive

    size = archive.keep(config.parent, out)
    typer.echo(f"{out / archive.EVIDENCE}: {size / 1e6:.1f} MB")


@app.command()
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


@app.command()
def why(
    cell: Annotated[str, typer.Argument(help="<table>:<row>:<column>, for example T1:Vision-R1-7B:MathVista.")],
    run: Annotated[Path, typer.Option(help="A run's folder, a kept run, or what `compare --out` wrote.")] = Path(
        "results/micro"
    ),
) -> None:
    """Print what a table's cell was made from: files, hashes, commits, checkpoints, config."""
    from vr1repro.reporting.compare.record import RECORD, open_comparison
    from vr1repro.reporting.lineage import archive
    from vr1repro.reporting.run.results import open_run
    from vr1repro.reporting.tables.why import explain, explain_cell, parts_of

    parts_of(cell)  # opening a run takes a while
    if (run / RECORD).is_file():
        typer.echo(explain_cell(open_comparison(run), cell))
        return
    with archive.folder_of(run) as (folder, kept):
        results, _ = open_run(run / archive.CONFIG, folder, kept=kept)
        typer.echo(explain(results, run / archive.CONFIG, cell))
