"""Commands on config files: `vr1repro check`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def check(config: Annotated[Path, typer.Argument(help="A config file.")]) -> None:
    """Check a config and list what it makes."""
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan

    plan = Plan(load(config))
    for arm in plan.config.run_arms:
        for checkpoint in plan.final_checkpoints(arm):
            typer.echo(f"{arm:24} {plan.checkpoint_model(checkpoint)}")
