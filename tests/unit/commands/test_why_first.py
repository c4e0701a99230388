"""`vr1repro why` refuses a name before it opens a run."""

from pathlib import Path

from typer.testing import CliRunner

from vr1repro.cli import app


def test_a_name_that_is_none_is_refused_before_the_run_is_opened(tmp_path: Path) -> None:
    # Nothing is in the folder: whoever opened it would say so.
    error = CliRunner().invoke(app, ["why", "--run", str(tmp_path), "T1:Vision-R1-7B"]).exception
    assert "T1:Vision-R1-7B: must be <table>:<row>:<column>" in str(error)
