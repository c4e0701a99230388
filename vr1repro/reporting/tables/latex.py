r"""Tables as LaTeX that any paper can `\input`: booktabs, never wider than the text.

A table that is wider than `\textwidth` of the document that takes it is scaled down there; long text stands in columns
that break their lines, and many rows are several floats.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from vr1repro.reporting.tables.render import DASH, TextTable, half_width, number, printed
from vr1repro.reporting.tables.table import Cell, Table

_NEEDS = r"% Needs \usepackage{booktabs} and \usepackage{graphicx}."
_MOST_ROWS = 36  # of one float
_LONG = 34  # characters from which on a column of text breaks its lines
_WIDTHS = {"narrow": "3.4cm", "wide": "6cm"}
_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # after a row's \\ a bare bracket would be read as its optional argument
    "]": "{]}",
}


def tex(text: str) -> str:
    """Text with LaTeX's special characters escaped; a leading minus and `+-` become true signs."""
    escaped = "".join(_TEX.get(character, character) for character in text)
    return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", escaped.replace("+-", r"$\pm$"))


def latex(table: TextTable) -> str:
    """`table` floats of text cells, one for each `_MOST_ROWS` rows."""
    parts = [table.rows[k : k + _MOST_ROWS] for k in range(0, len(table.rows), _MOST_ROWS)] or [[]]
    return "\n".join([_NEEDS, *(_part(table, rows, number_of) for number_of, rows in enumerate(parts))])


def _part(table: TextTable, rows: Sequence[Sequence[str]], number_of: int) -> str:
    spec = "".join(_column(table, rows, k) for k in range(len(table.header)))
    body = []
    for k, cells in enumerate(rows):
        if k and cells[0]:
            body.append(r"\addlinespace")
        body.append(" & ".join(tex(cell) for cell in cells) + r" \\")
    head = [" & ".join(tex(cell) for cell in table.header) + r" \\", r"\midrule"]
    caption = f"{tex(table.title)}, continued." if number_of else f"{tex(table.title)}. {tex(table.note)}"
    label = f"tab:{table.key}{f'-{number_of + 1}' if number_of else ''}"
    return _float(caption, label, spec, [*head, *body])


def _column(table: TextTable, rows: Sequence[Sequence[str]], k: int) -> str:
    if k >= table.text_columns:
        return "r"
    longest = max((len(cells[k]) for cells in rows), default=0)
    return "l" if longest <= _LONG else f"p{{{_WIDTHS['narrow' if longest <= 2 * _LONG else 'wide']}}}"


def paper_table(table: Table) -> str:
    r"""A table with `heads` as a paper prints one: published rows, then ours, value and half of the interval's width.

    Args:
        table: Its lines without an arm are published ones.
    """
    published = [line for line in table.lines if line.arm is None]
    ours = [line for line in table.lines if line.arm is not None]
    body = [
        *_heads(table),
        *(" & ".join([tex(line.name), *(tex(printed(cell)) for cell in line.cells)]) + r" \\" for line in published),
        *([r"\midrule"] if published and ours else []),
        *(" & ".join([tex(line.name), *map(_with_error, line.cells)]) + r" \\" for line in ours),
    ]
    spec = "l" + "c" * len(table.columns)
    return "\n".join([_NEEDS, _float(f"{tex(table.title)}. {tex(table.note)}", f"tab:{table.key.lower()}", spec, body)])


def _with_error(cell: Cell) -> str:
    if cell.ours is None:
        return DASH
    value = number(cell.ours.value).replace(",", "{,}")
    return f"${value}_{{\\pm {half_width(cell.ours).replace(',', '{,}')}}}$"


def _heads(table: Table) -> Iterator[str]:
    """Two lines: benchmarks over their columns, and the scores of each."""
    groups, rules, place = [], [], 2
    for benchmark, heads in groupby(table.heads, key=lambda head: head[0]):
        width = len(list(heads))
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{tex(benchmark)}}}")
        rules.append(rf"\cmidrule(lr){{{place}-{place + width - 1}}}")
        place += width
    yield " & ".join(["", *groups]) + r" \\"
    yield " ".join(rules)
    yield " & ".join(["Model", *(tex(score) for _, score in table.heads)]) + r" \\"
    yield r"\midrule"


def _float(caption: str, label: str, spec: str, body: Sequence[str]) -> str:
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\setlength{\belowcaptionskip}{4pt}",
            rf"\caption{{{caption}}}",
            rf"\label{{{label}}}",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{4pt}",
            r"\sbox0{%",
            rf"\begin{{tabular}}{{{spec}}}",
            r"\toprule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}%",
            r"\ifdim\wd0>\textwidth\resizebox{\textwidth}{!}{\usebox0}\else\usebox0\fi",
            r"\end{table}",
            "",
        ]
    )
