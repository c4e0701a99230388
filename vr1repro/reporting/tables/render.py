"""Numbers and tables as text: CSV, Markdown and HTML; `latex` has LaTeX, `files` writes them all."""

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.run.scores import OpenShares
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.statistics.rounding import fixed, settled, significant
from vr1repro.reporting.tables.table import Cell, Line, Table

DASH = "-"
_DECIMALS_FROM = 1000  # larger numbers are counts and lengths: no decimal


def number(value: float | None, signed: bool = False) -> str:
    """A number as a table shows it: one decimal, none from 1000 on."""
    if value is None or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return fixed(value, 0 if abs(settled(value)) >= _DECIMALS_FROM else 1, signed=signed, grouped=True)


def estimate(ours: Estimate | None) -> str:
    """Value and interval: `52.1 [48.0, 56.1]`."""
    return DASH if ours is None else f"{number(ours.value)} [{number(ours.low)}, {number(ours.high)}]"


def plus_minus(ours: Estimate | None) -> str:
    """Value and half of its interval's width: `52.1 +- 4.0`."""
    if ours is None:
        return DASH
    return f"{number(ours.value)} +- {half_width(ours)}"


def half_width(ours: Estimate) -> str:
    """Half of an interval's width, with the decimals of the value that it belongs to."""
    half = (ours.high - ours.low) / 2
    whole = math.isfinite(ours.value) and abs(settled(ours.value)) >= _DECIMALS_FROM
    return fixed(half, 0, grouped=True) if whole and math.isfinite(half) else number(half)


def interval(low: float, high: float) -> str:
    """The interval of a difference: `[-1.2, +3.4]`."""
    return f"[{number(low, signed=True)}, {number(high, signed=True)}]"


def left_open(shares: OpenShares | None) -> str:
    """Unreadable and ungraded answers of a score: `1.2 + 0.0`."""
    return DASH if shares is None else f"{number(shares.unparsable)} + {number(shares.ungraded)}"


def difference(cell: Cell) -> str:
    """Ours minus the paper's, never without its interval: `+1.1 [-1.2, +3.4]`."""
    row = cell.comparison
    if row is None or row.difference is None or row.interval is None:
        return DASH
    return f"{number(row.difference, signed=True)} {interval(*row.interval)}"


def printed(cell: Cell) -> str:
    """The paper's number as printed: counts and lengths without a decimal."""
    if cell.paper is None:
        return DASH
    value = cell.paper.value
    return f"{value:,}" if isinstance(value, int) else str(value)


def sub_rows(line: Line, comparable: bool, published_apart: bool = False) -> Iterator[tuple[str, list[str]]]:
    """The rows that a line takes: paper, ours, difference, verdict; those that say nothing are left out.

    Args:
        published_apart: The paper's numbers have lines of their own, so that ours say nothing of them.
    """
    if any(cell.paper is not None for cell in line.cells) and not (line.arm and published_apart):
        yield "paper", [printed(cell) for cell in line.cells]
    if line.arm is None:
        return
    if line.note:
        yield "ours", [line.note for _ in line.cells]
        return
    yield "ours", [estimate(cell.ours) for cell in line.cells]
    if any(cell.shares is not None for cell in line.cells):
        yield "left open", [left_open(cell.shares) for cell in line.cells]
    if published_apart:
        return
    # "no verdict" says nothing that the class of the number does not say; the CSV keeps it.
    labels = [cell.label.value if cell.label not in (None, Label.NO_VERDICT) else DASH for cell in line.cells]
    if any(cell.difference is not None for cell in line.cells):
        kind = "difference" if comparable else f"difference ({Label.NOT_COMPARABLE.value})"
        yield kind, [difference(cell) for cell in line.cells]
    if comparable and any(label != DASH for label in labels):
        yield "verdict", labels
        yield "seen with 80 %", [number(cell.judgement.detectable if cell.judgement else None) for cell in line.cells]


def grid(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a wide table; the line's name stands in its first row only."""
    header = [DASH if not table.lines else "Method", *table.marks, "", *table.columns]
    rows = []
    for line in table.lines:
        for k, (kind, cells) in enumerate(sub_rows(line, table.comparable, bool(table.heads))):
            name = [line.name, *line.marks] if k == 0 else [""] * (1 + len(line.marks))
            rows.append([*name, kind, *cells])
    return header, rows


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """Text cells under a header, ready for any format.

    Attributes:
        key: File name without suffix.
        note: What a reader must know.
        text_columns: How many columns from the left hold text; the others are set flush right.
    """

    key: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str
    text_columns: int = 1


def as_text(table: Table) -> TextTable:
    """A wide table as text cells."""
    header, rows = grid(table)
    return TextTable(
        key=table.key.lower(),
        title=table.title,
        header=header,
        rows=rows,
        note=table.note,
        text_columns=2 + len(table.marks),
    )


def markdown(table: TextTable) -> str:
    """A GitHub-flavoured Markdown table with its title and note."""

    def row(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    lines = [
        row(table.header),
        "|" + "|".join("---" for _ in table.header) + "|",
        *(row(cells) for cells in table.rows),
    ]
    return f"### {table.title}\n\n" + "\n".join(lines) + f"\n\n{table.note}\n"


def html(table: TextTable) -> str:
    """A `table` element with its title as caption, all text escaped, no style: for any table to include."""

    def row(cells: Sequence[str]) -> str:
        places = (f"<td{' class=num' * (k >= table.text_columns)}>{escape(cell)}</td>" for k, cell in enumerate(cells))
        return f"<tr>{''.join(places)}</tr>"

    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    return "\n".join(
        [
            f'<table id="{escape(table.key)}">',
            f"<caption>{escape(table.title)}</caption>",
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *(row(cells) for cells in table.rows),
            "</tbody>",
            f'<tfoot><tr><td colspan="{len(table.header)}">{escape(table.note)}</td></tr></tfoot>',
            "</table>",
            "",
        ]
    )


def plain_csv(table: TextTable) -> str:
    """A table's cells as CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table.header, *table.rows])
    return stream.getvalue()


CSV_COLUMNS = (
    *("table", "method", "arm", "column", "paper", "published_id", "ours", "low", "high", "stderr", "n", "clusters"),
    *("method_of_error", "unparsable_%", "ungraded_%", "bound_low", "bound_high"),
    *("difference", "difference_low", "difference_high", "difference_over"),
    *("verdict", "power_at_margin", "detectable", "reason"),
)


def tidy_csv(table: Table) -> str:
    """One row for each cell, with its error, judgement and power, in full precision."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*CSV_COLUMNS, *table.marks])
    for line, column, cell in table.cells():
        ours = cell.ours
        fields: Sequence[object] = (
            (ours.value, ours.low, ours.high, ours.stderr, ours.n, ours.clusters, ours.method)
            if ours is not None
            else ("",) * 7
        )
        shares = cell.shares
        left = (shares.unparsable, shares.ungraded, shares.low, shares.high) if shares else ("",) * 4
        label = cell.label.value if cell.label else ""
        paper = (cell.paper.value, cell.paper.id) if cell.paper else ("", "")
        compared = cell.comparison
        low, high = (compared and compared.interval) or ("", "")
        apart = (low, high, compared.interval_over) if compared else ("", "", "")
        difference = "" if cell.difference is None else cell.difference
        row = [table.key, line.name, line.arm or "", column, *paper, *fields, *left, difference, *apart, label]
        judged = cell.judgement
        study = (judged.power, judged.detectable) if judged else (None, None)
        row += ["" if value is None else value for value in study]
        reason = cell.reason or line.note
        writer.writerow([_plain(value) for value in (*row, reason, *line.marks)])
    return stream.getvalue()


def _plain(value: object) -> object:
    return significant(value) if isinstance(value, float) else value


def frame_csv(frame: pd.DataFrame, printed: Sequence[str] = ()) -> str:
    """A data frame as CSV, six significant digits, so that equal inputs give equal files on every processor.

    Args:
        printed: Columns that hold numbers as the paper printed them; they stay as they are.
    """
    ours = frame.columns.difference(list(printed))
    shown = frame[ours].map(lambda value: None if isinstance(value, float) and math.isnan(value) else _plain(value))
    return str(frame.assign(**shown).to_csv(index=False, lineterminator="\n"))
