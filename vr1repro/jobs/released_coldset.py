"""The cold-start set as released."""

from vr1repro.core.provenance import write_manifest
from vr1repro.jobs.common import ConfigFile, Out, open_run


def run(config: ConfigFile, out: Out) -> None:
    """Bring the released cold-start set and put it into our form."""
    from vr1repro.coldset.released import take

    settings, _ = open_run(config)
    assert settings.coldset.released is not None  # noqa: S101 - checked by Config
    source = settings.coldset.released
    write_manifest(out, "coldset", {"source": source.model_dump(mode="json")}, {}, take(source, out))
