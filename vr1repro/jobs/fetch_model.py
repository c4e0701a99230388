"""A model from the hub or a local folder."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.models import LabModelSource
from vr1repro.jobs.common import ConfigFile, Out, Remake, guard, open_run


def run(
    config: ConfigFile,
    out: Out,
    name: Annotated[str, typer.Option(help="A model's folder name under models/.")],
    remake: Remake = "",
) -> None:
    """Bring a model from the hub or a local folder."""
    from vr1repro.core.revisions import Revisions
    from vr1repro.engines.fetch import fetch_model

    settings, plan = open_run(config)
    source = plan.model_sources()[name]
    assert not isinstance(source, LabModelSource)  # noqa: S101 - the rule's wildcard excludes it
    if guard(out, settings, remake, {}):
        fetch_model(Revisions(Path(plan.root)).pinned(source, "model"), out)
