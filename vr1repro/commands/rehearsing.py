"""Commands that try a preset before it costs anything: `vr1repro rehearse`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def rehearse(
    configfile: Annotated[Path, typer.Option(help="The preset.")],
    arm: Annotated[list[str] | None, typer.Option(help="Keys of `arms`; else one of each kind.")] = None,
    stage: Annotated[int | None, typer.Option(min=1, help="The last stage of each arm; else the second.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder that keeps everything; else a temporary one.")] = None,
    limit: Annotated[float, typer.Option(min=1, help="Minutes after which a job counts as hanging.")] = 15,
    diff: Annotated[bool, typer.Option("--diff", help="Only print what differs from the preset.")] = False,
) -> None:
    """Run a preset's own stages, shrunken, with its libraries and its backend on CPU processes.

    What it cannot show: NCCL, CUDA graphs, kernels, true memory peaks, the sync of weights in place.
    """
    import tempfile

    from vr1repro.config.loader import load
    from vr1repro.core.errors import UserError
    from vr1repro.rehearsal import run

    preset = load(configfile)
    lab = load(Path("config/smoke.yaml")).lab
    assert lab is not None  # noqa: S101 - smoke.yaml has one
    small, changes = run.prepare(preset, lab)
    for change in changes:
        typer.echo(f"  {change}")
    if diff:
        return
    arms = arm or run.arms_to_rehearse(small)
    if unknown := [name for name in arms if name not in small.arms]:
        raise UserError(f"--arm {unknown[0]}: no such arm; known: {', '.join(sorted(small.arms))}")
    with tempfile.TemporaryDirectory() as temporary:
        outcomes = run.rehearse(small, arms, stage, out or Path(temporary), 60 * limit, typer.echo)
    if outcomes and (error := outcomes[-1].error):
        raise UserError(f"{configfile}: {outcomes[-1].job.name} cannot run: {error}")
