import subprocess
import sys
from pathlib import Path

import pytest

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.reporting.compare.protocol_gain import protocol_gain


def write(path: Path, rows: list[tuple[str, str, int]]) -> Path:
    write_rows(path, [{"id": key, "verdict": verdict, "attempt": attempt} for key, verdict, attempt in rows])
    return path


def test_each_gain_is_booked_to_retries_or_extraction(tmp_path: Path) -> None:
    single = write(tmp_path / "s", [("1", "wrong", 0), ("2", "right", 0), ("3", "wrong", 0), ("4", "timeout", 0)])
    paper = write(tmp_path / "p", [("1", "right", 2), ("2", "wrong", 0), ("3", "right", 1), ("4", "wrong", 4)])
    gain = protocol_gain(single, paper)
    assert (gain.n, gain.retried, gain.wins, gain.losses) == (4, 3, 2, 1)
    assert (gain.from_retries, gain.from_extraction, gain.total.points) == (50.0, -25.0, 25.0)
    assert gain.total.se == pytest.approx(100 * (3 - 1 / 4) ** 0.5 / 4)
    assert "retries gave +50.00 (3 asked again), the extraction string -25.00" in str(gain)


def test_other_questions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not on the questions"):
        protocol_gain(write(tmp_path / "s", [("1", "wrong", 0)]), write(tmp_path / "p", [("2", "wrong", 0)]))


def run(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tasks_are_listed(tmp_path: Path) -> None:
    folder = Path(run("tasks", "--out", tmp_path / "tasks").strip())
    assert (folder / "vr1_mathvista.yaml").is_file()
    listed = run("tasks", "--list")
    assert sorted(file.stem for file in folder.glob("vr1_*.yaml")) == [line.split()[-1] for line in listed.splitlines()]


@pytest.mark.slow
def test_evaluate_prints_the_difference(shared: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    printed = run(
        "evaluate", "--model", tiny_checkpoint, "--benchmarks", "mathvision", "--preset", "think-answer",
        "--data", f"mathvision={shared / 'mathvision' / 'problems-240.parquet'}", "--limit", 4, "--max-tokens", 8,
        "--protocol", "single,paper", "--name", "tiny", "--out", tmp_path,
    )  # fmt: skip
    assert "mathvision, seed 1: paper minus single: 0.00 points" in printed
    assert "(4 asked again)" in printed
