"""Coverage and error rates: of the committed table of 10 000 studies a cell, and of a small run of its script."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

LEVEL = 0.95


def check(table: pd.DataFrame) -> None:
    """The targets of the report's statistics; three Monte Carlo errors around a nominal level."""
    studies = int(table["studies"].iloc[0])
    within = 3 * math.sqrt(LEVEL * (1 - LEVEL) / studies)
    plain = ["coverage_seed_mean", "coverage_prediction", "coverage_question_mean", "coverage_paired_difference"]
    for name in plain:
        found = table[name].dropna()
        assert len(found)
        assert (found - LEVEL).abs().max() <= within, name
    verdicts = table[table["kind"] == "verdict"]
    assert set(verdicts["K"]) == {2, 3, 8}
    assert set(verdicts["unit"]) == {"evaluation seed", "training seed"}
    assert verdicts["coverage_widened"].min() >= 0.94 - within
    assert verdicts["false_not_reproduced"].max() <= 0.05 + within
    assert table["false_permutation"].max() <= 0.05 + within
    # Underpowered everywhere does not pass: seeds of sampling see three points, whatever their number.
    large = verdicts[verdicts["unit"].eq("evaluation seed") & verdicts["questions"].eq(3940)]
    assert large["power_3_points"].min() >= 0.95
    sampled = verdicts[verdicts["unit"] == "evaluation seed"]
    assert sampled["power_3_points"].min() >= 0.45
    assert (sampled["false_not_reproduced_where_judged"] <= 0.05 + within).all()
    # Two trainings give a range, never a verdict.
    two = verdicts[verdicts["unit"].eq("training seed") & verdicts["K"].eq(2)]
    assert (two["underpowered"] == 1.0).all()


def test_committed_table_meets_the_targets(repo: Path) -> None:
    folder = repo / "results" / "reference" / "verify"
    table = pd.read_csv(folder / "calibration.csv")
    assert (table["studies"] == 10_000).all()
    made = json.loads((folder / "calibration.json").read_text())
    assert made["made"]["commit"]
    assert made["made"]["versions"]["numpy"]
    check(table)


@pytest.mark.verify
def test_the_script_gives_such_a_table(repo: Path, tmp_path: Path) -> None:
    command = [sys.executable, repo / "bench" / "calibration.py", "--studies", "600", "--seed", "3", "--out", tmp_path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check(pd.read_csv(tmp_path / "calibration.csv"))
