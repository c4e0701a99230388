"""Tables, figures and report."""

from pathlib import Path

import typer

from vr1repro.config.plan import Plan
from vr1repro.core.provenance import file_sha, write_manifest
from vr1repro.jobs.common import ConfigFile, Out, app


@app.command("tables")
def make_tables(config: ConfigFile, out: Out) -> None:
    """Write every table, the tidy scores, and a row for each published number."""
    from vr1repro.reporting.run.results import open_run
    from vr1repro.reporting.tables import build

    results, plan = open_run(config)
    build.make_tables(results, out, plan.config)
    write_manifest(out, "tables", plan.config.reporting.model_dump(mode="json"), _evidence(plan))


@app.command("figures")
def draw_figures(config: ConfigFile, out: Out) -> None:
    """Draw every figure."""
    from vr1repro.reporting.figures import build
    from vr1repro.reporting.run.results import open_run

    results, plan = open_run(config)
    build.make_figures(results, out)
    write_manifest(out, "figures", plan.config.reporting.model_dump(mode="json"), _evidence(plan))


@app.command("report")
def make_report(config: ConfigFile, out: Out) -> None:
    """Write the report's pages, and print how each arm came out."""
    from vr1repro.reporting.page import build
    from vr1repro.reporting.run.results import open_run

    results, plan = open_run(config)
    text, figures = config.read_text(encoding="utf-8"), Path(plan.root) / "figures"
    build.make_report(results, out, figures, text, plan.config)
    typer.echo(build.summary(results))


def _evidence(plan: Plan) -> dict[str, str]:
    """Hashes of the verdicts and step logs that tables and figures rest on, by path below the run's folder."""
    root = Path(plan.root)
    files = [*root.glob("eval/*/verdicts.json"), *root.glob("train/**/steps.jsonl"), *root.glob("*/yield.json")]
    return {path.relative_to(root).as_posix(): file_sha(path) for path in sorted(files)}
