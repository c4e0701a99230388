"""Commands on config files: `vr1repro check`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError

app = typer.Typer()


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="A config file.")],
    disk_gb: Annotated[float | None, typer.Option(help="GB that are free for the run; not given: not checked.")] = None,
) -> None:
    """Check a config, also for what cannot run at its models' size, and list what it makes."""
    from vr1repro.benchmarks import llm_stages
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan
    from vr1repro.scale.limits import impossible

    plan = Plan(load(config))
    llm_stages.check(plan)
    if lines := impossible(plan.config, disk=None if disk_gb is None else int(disk_gb * 1e9)):
        raise UserError("\n".join(f"{config}: {line}" for line in lines))
    for arm in plan.config.run_arms:
        for checkpoint in plan.final_checkpoints(arm):
            typer.echo(f"{arm:24} {plan.checkpoint_model(checkpoint)}")
