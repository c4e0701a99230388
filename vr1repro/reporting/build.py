"""The four things that rules ask for: scores, tables, figures and the report, each from explicit paths."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.core.files import write_atomically
from vr1repro.published import load
from vr1repro.reporting.claims.comparison import as_table, compare
from vr1repro.reporting.claims.settings import our_settings
from vr1repro.reporting.figures.registry import write_figures
from vr1repro.reporting.lineage.sources import Sources, write_table_sources
from vr1repro.reporting.page.page import write_report
from vr1repro.reporting.run.arms import from_plan
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.ours import all_sheets
from vr1repro.reporting.tables.paper import all_tables
from vr1repro.reporting.tables.render import Sheet, write_tables
from vr1repro.reporting.tables.score_table import score_table, write_scores


def open_run(config: Path, folder: Path | None = None) -> tuple[Results, Plan]:
    """A run's results.

    Args:
        config: Its resolved config.
        folder: Where its files lie, if not in `results/<run>`.

    Raises:
        UserError: The config or a file of the run is bad.
    """
    plan = Plan(loader.load(config))
    settings, arms = plan.config, from_plan(plan, str(config))
    coldset = plan.coldset().relative_to(plan.root).as_posix()
    return Results.load(folder or Path(plan.root), arms, settings.reporting, settings.comparable, coldset), plan


def make_scores(results: Results, path: Path) -> None:
    """Write `scores.csv`: every arm, checkpoint, benchmark and subset with its error."""
    write_scores(path, score_table(results.frame, results.settings))


def make_tables(results: Results, folder: Path, config: Config, sheets: Sequence[Sheet] | None = None) -> list[Path]:
    """Write every table as CSV, Markdown, LaTeX and HTML, and `comparison.csv` with a row for each published number.

    Args:
        results: The run.
        folder: Where to.
        config: What the run was asked for; its settings are compared with the published ones.
        sheets: From `all_sheets`, where they are there already.

    Returns:
        The written paths.
    """
    tables = all_tables(results)
    paths = write_tables(folder, tables, all_sheets(results) if sheets is None else sheets)
    paths.append(write_table_sources(folder, tables, Sources(results)))
    rows = as_table(compare(load(), results, our_settings(config)))
    write_atomically(folder / "comparison.csv", rows.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return [*paths, folder / "comparison.csv"]


def make_figures(results: Results, folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """Draw figures as PDF, SVG and PNG. Returns the written paths."""
    return write_figures(folder, results, names)


def make_report(
    results: Results,
    folder: Path,
    figures: Path,
    config_text: str,
    config: Config,
    links: Mapping[str, str] | None = None,
    sheets: Sequence[Sheet] | None = None,
) -> None:
    """Write the report: a folder of pages that opens from a disk.

    Args:
        results: The run.
        folder: `results/<run>/report`; replaced as a whole. Its first page is `index.html`.
        figures: Folder that `make_figures` wrote.
        config_text: The resolved config as text.
        config: The same, checked.
        links: Relative links to other artefacts, by name.
        sheets: From `all_sheets`, where they are there already.
    """
    sheets = all_sheets(results) if sheets is None else sheets
    comparisons = compare(load(), results, our_settings(config))
    write_report(folder, results, comparisons, all_tables(results), figures, config_text, config.run, sheets, links)


def summary(results: Results) -> str:
    """One line an arm for the terminal: accuracy with interval and mean tokens, as JSON."""
    lines = []
    for arm in results.evaluated:
        average = results.average(arm, tuple(results.benchmarks))
        length = results.length(arm)
        parts = {"accuracy_%": average, "tokens": length}
        values = {
            name: None if part is None else {key: round(getattr(part, key), 2) for key in ("value", "low", "high")}
            for name, part in parts.items()
        }
        lines.append(json.dumps({"arm": arm, **values}))
    return "\n".join(lines)
