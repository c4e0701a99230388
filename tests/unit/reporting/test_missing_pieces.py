"""A run that lacks things: everything is still made, and says what is missing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from synthetic_run import arm_infos

from vr1repro.config.reporting import ReportSettings
from vr1repro.config.run import Config
from vr1repro.core.jsonl import read, write_rows
from vr1repro.core.records import Verdict
from vr1repro.reporting.claims.pairs import MEAN, arm_pairs
from vr1repro.reporting.figures.build import make_figures
from vr1repro.reporting.page.build import make_report
from vr1repro.reporting.run.results import Results
from vr1repro.reporting.tables import render
from vr1repro.reporting.tables.build import make_tables
from vr1repro.reporting.tables.our_tables import pairs_table


def half(run: Path) -> None:
    """Half of a benchmark's verdicts are not there, and one arm lacks another benchmark."""
    for path in run.glob("eval/zero_s1/mathverse/*/*/verdicts/*.jsonl"):
        rows = list(read(path, Verdict))
        write_rows(path, rows[: len(rows) // 2])
    shutil.rmtree(run / "eval" / "zero_s1" / "mmmath")


def no_long(run: Path) -> None:
    for folder in run.glob("eval/long_*"):
        shutil.rmtree(folder)
    shutil.rmtree(run / "train" / "long")


def one_seed(run: Path) -> None:
    for folder in run.glob("eval/*/*/*/e2"):
        shutil.rmtree(folder)


def no_coldset(run: Path) -> None:
    shutil.rmtree(run / "coldset")


@pytest.mark.parametrize(
    ("spoil", "table", "method", "column", "said", "figure"),
    [
        pytest.param(
            no_long,
            "T5",
            "Vision-R1-Long",
            "MathVista",
            "not evaluated in this run",
            "figure1",
            marks=pytest.mark.verify,
        ),
        (half, "T6", "Vision-R1-Zero", "MM-Math", "not evaluated on mmmath", "graders"),
        (one_seed, "T1", "Vision-R1-7B", "MathVista", "one run has no spread", "graders"),
        pytest.param(
            no_coldset,
            "T4",
            "Vision-R1-cold",
            "Wait",
            "no cold-start set was built",
            "coldset",
            marks=pytest.mark.verify,
        ),
    ],
)
def test_the_report_is_made_and_says_so(
    fresh_run: Callable[..., Path],
    settings: ReportSettings,
    config: Config,
    tmp_path: Path,
    spoil: Callable[[Path], None],
    table: str,
    method: str,
    column: str,
    said: str,
    figure: str,
) -> None:
    run = fresh_run()
    spoil(run)
    results = Results.load(run, arm_infos(), settings, comparable=True)
    out = tmp_path / "out"
    make_tables(results, out / "tables", config)
    make_figures(results, out / "figures", [figure])
    make_report(results, out / "report", out / "figures", "run: test\n", config)
    compared = pd.read_csv(out / "tables" / "comparison.csv")
    assert len(compared) == 698
    notes = compared.loc[compared["class"].eq("claim") & compared["ours"].isna(), "reason"]
    assert notes.notna().all()
    cells = pd.read_csv(out / "tables" / f"{table.lower()}.csv")
    chosen = cells[cells["method"].str.startswith(method) & cells["column"].eq(column)]
    assert chosen["reason"].str.contains(said).any(), chosen["reason"].tolist()
    assert (out / "report" / "index.html").stat().st_size > 10_000


def test_pairs_leave_out_and_count_what_one_side_lacks(
    fresh_run: Callable[..., Path], settings: ReportSettings
) -> None:
    run = fresh_run()
    half(run)
    results = Results.load(run, arm_infos(), settings, comparable=False)
    pairs = arm_pairs(results)
    found = next(p for p in pairs if (p.first, p.second, p.benchmark) == ("zero", "base", "mathverse"))
    assert found.questions.unpaired == 15
    assert found.questions.estimate.n == 15
    assert not [p for p in pairs if "zero" in (p.first, p.second) and p.benchmark == "mmmath"]
    assert [p for p in pairs if "zero" in (p.first, p.second) and p.benchmark == MEAN]
    assert "| 15 | 15 |" in render.markdown(pairs_table(results, pairs))
