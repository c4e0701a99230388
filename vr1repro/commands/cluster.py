"""Commands around a run's machines: `vr1repro plan`, `doctor`, `recover`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.commands.configs import not_run
from vr1repro.core.errors import UserError

app = typer.Typer()


@app.command()
def plan(config: Annotated[Path, typer.Option("--configfile", help="A config file.")]) -> None:
    """Say what a config will take, before anything is paid: jobs, GPUs, hours, memory, disk, API cost of each stage."""
    from vr1repro.cluster import outlook, slurm
    from vr1repro.cluster.estimate import estimate
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan
    from vr1repro.scale.limits import impossible
    from vr1repro.scale.table import memory_and_time

    planned = Plan(load(config))
    costs = estimate(planned)
    typer.echo("\n".join(outlook.table(costs)))
    for line in not_run(planned.config):
        typer.echo(f"\n{line}")
    if lines := memory_and_time(planned):
        typer.echo("\nMemory and time:")
        typer.echo("\n".join(lines))
    if given := outlook.sources(costs):
        typer.echo("\nWhat the ranges rest on (v1, v4: versions of the paper):")
        typer.echo("\n".join(given))
    lacking = [*impossible(planned.config), *outlook.time_limits(costs)]
    if slurm.installed():
        try:
            lacking += outlook.cluster_lacks(costs)
        except UserError as error:
            lacking.append(f"Slurm does not answer, so nothing was compared with a cluster ({error})")
    if lacking:
        typer.echo("\nWhat is lacking:")
        typer.echo("\n".join(lacking))


@app.command()
def doctor(
    config: Annotated[Path, typer.Option("--configfile", help="A config file.")] = Path("config/paper.yaml"),
) -> None:
    """Say whether this machine can run a config: one line a finding, with its fix; exit code 1 if any is needed."""
    from vr1repro.cluster.doctor import examine
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan

    missing = 0
    for finding in examine(Plan(load(config)), Path.cwd()):
        typer.echo(str(finding))
        missing += finding.state == "no"
    if missing:
        raise typer.Exit(1)


@app.command()
def recover(
    folder: Annotated[Path, typer.Option(help="Where snakemake was started.")] = Path(),
) -> None:
    """After a killed snakemake: cancel the Slurm jobs that it left behind, and unlock its folder."""
    from vr1repro.cluster import head

    for line in head.recover(folder.resolve()):
        typer.echo(line)
