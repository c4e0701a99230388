"""The report's pages."""

from pathlib import Path

import typer

from vr1repro.jobs.common import ConfigFile, Out


def run(config: ConfigFile, out: Out) -> None:
    """Write the report's pages, and print how each arm came out."""
    from vr1repro.reporting.page import build
    from vr1repro.reporting.run.results import open_run

    results, plan = open_run(config)
    text, figures = config.read_text(encoding="utf-8"), Path(plan.root) / "figures"
    build.make_report(results, out, figures, text, plan.config)
    typer.echo(build.summary(results))
