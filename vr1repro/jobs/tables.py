"""Tables, the tidy scores, and a row for each published number."""

from vr1repro.core.provenance import write_manifest
from vr1repro.jobs.common import ConfigFile, Out, evidence


def run(config: ConfigFile, out: Out) -> None:
    """Write every table, the tidy scores, and a row for each published number."""
    from vr1repro.reporting.run.results import open_run
    from vr1repro.reporting.tables import build

    results, plan = open_run(config)
    build.make_tables(results, out, plan.config)
    write_manifest(out, "tables", plan.config.reporting.model_dump(mode="json"), evidence(plan))
