"""Writes a run's tables: the paper's beside ours, our own, the tidy scores and a row for each published number."""

from collections.abc import Sequence
from pathlib import Path

from vr1repro.config.run import Config
from vr1repro.core.files import write_atomically
from vr1repro.published import load_values
from vr1repro.reporting.claims.comparison import as_table, compare_published
from vr1repro.reporting.claims.settings import our_settings
from vr1repro.reporting.lineage.sources import Sources, write_made_from
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables.files import write_tables
from vr1repro.reporting.tables.our_tables import own_tables
from vr1repro.reporting.tables.render import TextTable, frame_csv
from vr1repro.reporting.tables.scores_csv import score_table, write_scores
from vr1repro.reporting.tables.table import Table, all_tables


def make_tables(
    results: Results, folder: Path, config: Config, text_tables: Sequence[TextTable] | None = None
) -> list[Path]:
    """Write every table as CSV, Markdown, LaTeX and HTML, `scores.csv`, `comparison.csv` and `provenance.json`.

    `scores.csv` has every arm, checkpoint, benchmark and subset with its error, `comparison.csv` every published
    number.

    Args:
        config: The run's config; its settings are compared with the published ones.

    Returns:
        The written paths.
    """
    tables = all_tables(results)
    paths = write_tables(folder, tables, own_tables(results) if text_tables is None else text_tables)
    paths.append(write_table_sources(folder, tables, Sources(results)))
    rows = as_table(compare_published(load_values(), results, our_settings(config, results)))
    write_atomically(folder / "comparison.csv", frame_csv(rows, printed=("paper",)))
    write_scores(folder / "scores.csv", score_table(results.frame, results.settings))
    return [*paths, folder / "comparison.csv", folder / "scores.csv"]


def write_table_sources(folder: Path, tables: Sequence[Table], sources: Sources) -> Path:
    """Write `provenance.json` beside tables: each cell with the files behind it, each file with its hash."""
    cells = {
        table.key_of(line, column): files
        for table in tables
        for line, column, cell in table.cells()
        if cell.ours is not None and (files := sources.of(cell.target))
    }
    return write_made_from(folder, "cells", cells, sources)
