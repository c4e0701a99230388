"""Commands around a cluster: `vr1repro plan`, `doctor`, `recover`."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def recover(
    folder: Annotated[Path, typer.Option(help="Where snakemake was started.")] = Path(),
) -> None:
    """After a killed snakemake: cancel the Slurm jobs that it left behind, and unlock its folder."""
    from vr1repro.cluster import head

    for line in head.recover(folder.resolve()):
        typer.echo(line)
