"""Cold-start initialisation of one start."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.engines.slim import import_trl
from vr1repro.jobs.common import ConfigFile, Out, Remake, guard, open_run


def run(
    config: ConfigFile,
    out: Out,
    start: Annotated[str, typer.Option(help="Key of `starts`.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
    remake: Remake = "",
) -> None:
    """Cold-start initialisation of one start."""
    settings, plan = open_run(config)
    guard(out, settings, remake)
    import_trl(vllm=False)
    from vr1repro.training import sft

    initialised = settings.starts[start]
    assert initialised.sft is not None  # noqa: S101 - the plan has no such job otherwise
    threads = settings.resources.sft.threads
    sft.train(
        settings.sft, Path(plan.model(initialised.model)), Path(plan.coldset()), initialised.sft, seed, threads, out
    )
