"""Error rates and power of the verdicts: of the committed table, and of a small run of its script."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

RATE = 0.05


def check(table: pd.DataFrame) -> None:
    """The targets of the verdicts; three Monte Carlo errors around a rate."""
    cells = table[table["kind"] == "verdict"]
    slack = 3 * math.sqrt(RATE * (1 - RATE) / int(cells["studies"].iloc[0]))
    alone = cells[cells["band"] == 0]
    told = alone[alone["known"].isin(["same weights", "measured"]) | (alone["declared"] >= alone["sd"])]
    assert set(told["trainings"]) == {1, 3, 8}
    assert set(told["runs"]) == {1, 8}
    assert set(told["sd"]) == {0.0, 0.7, 1.2}
    assert told.loc[told["shift"] == 0, "not reproduced"].max() <= RATE + slack
    assert told.loc[told["shift"] >= 1, "reproduced"].max() <= RATE + slack
    # Of a recipe whose training variance nobody knows, nothing is said at all.
    unknown = alone[alone["known"] == "nothing"]
    assert unknown[["reproduced", "not reproduced"]].to_numpy().max() == 0
    assert (unknown.loc[unknown["runs"] == 8, "these weights only"] == 1).all()
    # Power is not given away.
    large = told[(told["benchmark"] == "mathvista") & (told["runs"] == 8)]
    same = large[large["known"] == "same weights"].set_index("shift")
    eight = large[(large["trainings"] == 8) & (large["sd"] == 0.7)].set_index("shift")
    noise = 3 * math.sqrt(0.25 / int(cells["studies"].iloc[0]))
    assert same.loc[0.0, "reproduced"] >= 0.60 - noise
    assert eight.loc[0.0, "reproduced"] >= 0.35 - noise
    for cell in (same, eight):
        assert cell.loc[2.0, "not reproduced"] >= 0.90 - noise
    # A second scorer that is lenient by more than the margin leaves no verdict on either side of it.
    banded = cells[cells["band"] == 5.0].set_index("shift")
    assert banded.loc[0.0, "depends on the scorer"] >= 0.5
    claims = table[table["kind"] == "claims"]
    assert (claims["false_calls"] <= claims["by_chance_at_most"] + 1).all()
    assert claims["any_false_call_after_holm"].max() <= RATE + 3 * math.sqrt(RATE / claims["studies"].min())
    questions = table[table["kind"] == "questions"]
    wide = 3 * math.sqrt(RATE * (1 - RATE) / int(questions["studies"].iloc[0]))
    for name in ("coverage_question_mean", "coverage_paired_difference"):
        assert (questions[name] - 0.95).abs().max() <= wide + 0.005, name
    assert questions["false_permutation"].max() <= RATE + wide


def test_committed_table_meets_the_targets(repo: Path) -> None:
    folder = repo / "results" / "reference" / "verify"
    made = json.loads((folder / "calibration.json").read_text())
    assert made["arguments"]["studies"] >= 1000
    assert made["made"]["commit"]
    assert made["made"]["versions"]["numpy"]
    check(pd.read_csv(folder / "calibration.csv"))


@pytest.mark.verify
def test_the_script_gives_such_a_table(repo: Path, tmp_path: Path) -> None:
    command = [sys.executable, repo / "bench" / "calibration.py", "--studies", "200", "--seed", "3", "--out", tmp_path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check(pd.read_csv(tmp_path / "calibration.csv"))
