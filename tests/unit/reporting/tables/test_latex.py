"""Every table compiles as LaTeX, and none is wider than the text."""

from pathlib import Path

import pytest
from latex_document import ABSENT, can_compile, compiled

from vr1repro.reporting.run.results import Results
from vr1repro.reporting.statistics.estimate import Estimate
from vr1repro.reporting.tables.latex import latex, paper_table
from vr1repro.reporting.tables.our_tables import own_tables
from vr1repro.reporting.tables.render import TextTable, as_text
from vr1repro.reporting.tables.table import Cell, Line, Table, all_tables

_LONGEST = 60  # characters in a column that breaks no lines: numbers and names, no sentences


def too_wide(log: str) -> list[str]:
    """Lines of the log on what is wider than the text."""
    return [line for line in log.splitlines() if line.startswith("Overfull \\hbox") and "paragraph" not in line]


@pytest.fixture(scope="module")
def paper() -> Table:
    """Nine columns of three benchmarks, two models and a published row."""
    heads = tuple((name, str(k)) for name in ("MathVista", "MME", "A & B") for k in range(3))
    ours = Estimate(value=2190.4, n=9, clusters=9, stderr=1.0, low=2150.0, high=2230.0, method="")
    lines = [Line(name="A model_with a name, v4 Table 1", arm=None, marks=(), cells=(Cell(),) * 9)]
    lines += [Line(name=f"model_{k}", arm=f"m{k}", marks=(), cells=(Cell(ours), *(Cell(),) * 8)) for k in range(2)]
    columns = tuple(f"{a} {b}" for a, b in heads)
    return Table(
        key="T1", title="All", marks=(), columns=columns, lines=tuple(lines), note="50 % & more_",
        comparable=True, heads=heads,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("width", ["230pt", "345pt"])
def test_every_table_compiles_and_fits(results: Results, paper: Table, tmp_path: Path, width: str) -> None:
    if not can_compile():
        pytest.skip(ABSENT)
    tables = [latex(as_text(table)) for table in all_tables(results)] + [latex(one) for one in own_tables(results)]
    assert too_wide(compiled(tmp_path, [paper_table(paper), *tables], width)) == []


def test_the_papers_table_has_one_row_a_model(paper: Table) -> None:
    text = paper_table(paper)
    assert r" & \multicolumn{3}{c}{MathVista} & \multicolumn{3}{c}{MME} & \multicolumn{3}{c}{A \& B} \\" in text
    assert r"\cmidrule(lr){2-4} \cmidrule(lr){5-7} \cmidrule(lr){8-10}" in text
    assert r"model\_0 & $2{,}190_{\pm 40}$ & -" in text
    assert text.count(r"\midrule") == 2


def test_sentences_stand_in_columns_that_break_lines(results: Results) -> None:
    for table in [*map(as_text, all_tables(results)), *own_tables(results)]:
        for cells in table.rows:
            assert all(len(cell) <= _LONGEST for cell in cells[table.text_columns :]), table.key
    rows = [["a", "A sentence of more characters than one line of a table can hold.", "1.0"]] * 80
    text = latex(TextTable(key="k", title="T", header=("A", "B", "C"), rows=rows, note="n", text_columns=2))
    assert text.count(r"\begin{tabular}{lp{3.4cm}r}") == 3
    assert text.count("continued") == 2
