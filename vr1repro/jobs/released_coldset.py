"""The cold-start set as released."""

from pathlib import Path

from vr1repro.core.provenance import write_manifest
from vr1repro.jobs.common import ConfigFile, Out, open_run


def run(config: ConfigFile, out: Out) -> None:
    """Bring the released cold-start set and put it into our form."""
    from vr1repro.coldset.released import take
    from vr1repro.core.revisions import Revisions

    settings, plan = open_run(config)
    assert settings.coldset.released is not None  # noqa: S101 - checked by Config
    source = Revisions(Path(plan.root)).pinned(settings.coldset.released, "dataset")
    write_manifest(out, "coldset", {"source": source.model_dump(mode="json")}, {}, take(source, out))
