"""`vr1repro claims` on the kept run, as a person calls it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.published import ValueClass, load_values
from vr1repro.reporting.claims.judgement import Label
from vr1repro.reporting.claims.overview import HEADLINES

LABELS = {Label.SHOWN, Label.REVERSED, Label.CANNOT_TELL, Label.CANNOT_BE_SHOWN}


def cells_of(text: str) -> list[list[str]]:
    """The cells of a Markdown table, without its header."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.slow
def test_the_kept_run_says_something_of_every_phenomenon(repo: Path) -> None:
    result = CliRunner().invoke(app, ["claims", "--run", str(repo / "results" / "reference" / "micro")])
    assert result.exit_code == 0, result.output
    numbers, phenomena = map(cells_of, result.output.split("### Phenomena"))
    assert len(numbers) == len(HEADLINES)
    sentences = [cells for cells in phenomena if cells[0]]
    quotes = {f'"{value.value}"' for value in load_values() if value.value_class is ValueClass.PHENOMENON}
    assert {cells[1] for cells in sentences} == quotes
    assert {cells[2] for cells in sentences} <= {label.value for label in LABELS}
    told = [cells for cells in phenomena if cells[5] != "-"]
    assert len(told) >= 12
    assert all(cells[8] == "3" and cells[6].startswith("[") for cells in told)
