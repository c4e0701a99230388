"""Cold-start initialisation of one start."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.provenance import content_sha
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
    settings = settings.of_start(start)
    initialised = settings.starts[start]
    assert initialised.sft is not None  # noqa: S101 - the plan has no such job otherwise
    model, coldset = Path(plan.model(initialised.model)), Path(plan.coldset())
    if not guard(out, settings, remake, {"model": content_sha(model), "coldset": content_sha(coldset)}):
        return
    import_trl(vllm=False)
    from vr1repro.training import resume, sft

    with resume.alone(out):
        sft.train(settings.sft, model, coldset, initialised.sft, seed, settings.resources.sft.threads, out)
