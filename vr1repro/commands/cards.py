"""Cards of what a run made: `vr1repro card`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def card(
    artefact: Annotated[
        Path,
        typer.Argument(help="A checkpoint's folder, or the cold-start set's; of a kept run its path below the run."),
    ],
    run: Annotated[
        Path | None,
        typer.Option(help="The run, a kept run, or what `evaluate --out` wrote. Default: the run that it lies in."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, README.md on the hub. Default: printed.")] = None,
    license_id: Annotated[
        str | None, typer.Option("--license", help="The hub's name of the licence. Default: not stated.")
    ] = None,
) -> None:
    """Make the hub's card of a checkpoint or of the cold-start set, from its manifest and its run's files."""
    from vr1repro.cards.write import card_of, write_card

    text = card_of(artefact, run, license_id)
    if out is None:
        typer.echo(text)
    else:
        write_card(text, out)
        typer.echo(f"{out}: written")
