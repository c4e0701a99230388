"""Commands on config files: `vr1repro check`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vr1repro.core.errors import UserError

if TYPE_CHECKING:
    from vr1repro.config.run import Config

app = typer.Typer()


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="A config file.")],
    disk_gb: Annotated[float | None, typer.Option(help="GB that are free for the run; not given: not checked.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also open the local files and folders that the run takes.")
    ] = False,
) -> None:
    """Check a config, also for what cannot run at its models' size, and list what it makes."""
    from vr1repro.benchmarks import headline, llm_stages
    from vr1repro.cluster import local_files
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan
    from vr1repro.scale.limits import impossible

    plan = Plan(load(config))
    headline.refuse_unknown(plan)
    llm_stages.check(plan)
    if lines := impossible(plan.config, disk=None if disk_gb is None else int(disk_gb * 1e9)):
        raise UserError("\n".join(f"{config}: {line}" for line in lines))
    for arm in plan.config.run_arms:
        for checkpoint in plan.final_checkpoints(arm):
            typer.echo(f"{arm:24} {plan.checkpoint_model(checkpoint)}")
    for line in not_run(plan.config):
        typer.echo(line)
    findings = list(local_files.examine(plan)) if deep else []
    for finding in findings:
        typer.echo(str(finding))
    if any(finding.state == "no" for finding in findings):
        raise typer.Exit(1)
    typer.echo(f"{config}: ok" + ("" if deep else "; --deep also opens local files"))


def not_run(config: "Config") -> list[str]:
    """A line on the arms that are defined and made only where their name is given; none where there are none."""
    others = [arm for arm in config.arms if arm not in config.run_arms]
    if not others:
        return []
    return [f"not in run_arms, made only by name (`snakemake ... NAME --configfile FILE`): {', '.join(others)}"]
