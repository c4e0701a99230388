"""Writes tables in every format."""

from collections.abc import Iterable
from pathlib import Path

from vr1repro.core.files import write_atomically
from vr1repro.reporting.tables.latex import latex, paper_table
from vr1repro.reporting.tables.render import TextTable, as_text, html, markdown, plain_csv, tidy_csv
from vr1repro.reporting.tables.table import Table


def write_tables(folder: Path, tables: Iterable[Table], text_tables: Iterable[TextTable] = ()) -> list[Path]:
    """Write each table as `<key>.csv`, `.md`, `.tex` and `.html`. Returns the paths."""
    contents = [
        (text := as_text(table), tidy_csv(table), paper_table(table) if table.heads else latex(text))
        for table in tables
    ]
    contents += [(table, plain_csv(table), latex(table)) for table in text_tables]
    paths = []
    for table, rows, source in contents:
        texts = {".csv": rows, ".md": markdown(table), ".tex": source, ".html": html(table)}
        for suffix, text_of in texts.items():
            paths.append(folder / f"{table.key}{suffix}")
            write_atomically(paths[-1], text_of)
    return paths
