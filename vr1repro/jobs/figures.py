"""Figures."""

from vr1repro.core.provenance import write_manifest
from vr1repro.jobs.common import ConfigFile, Out, evidence


def run(config: ConfigFile, out: Out) -> None:
    """Draw every figure."""
    from vr1repro.reporting.figures import build
    from vr1repro.reporting.run.results import open_run

    results, plan = open_run(config)
    build.make_figures(results, out)
    write_manifest(out, "figures", plan.config.reporting.model_dump(mode="json"), evidence(plan))
