"""The scripts in examples/ print what they promise, run from another folder as their docstrings say."""

import subprocess
import sys
from pathlib import Path

import pytest

OUTPUTS = {
    "grade_one_answer": r"answer \frac{2}{\sqrt{2}}, found by the rule boxed: right",
    "score_responses": """overall all: 100.0 % of 6 [100.0, 100.0]
type free: 100.0 % of 5 [100.0, 100.0]
type choice: 100.0 % of 1 [100.0, 100.0]""",
    "compare_models": """first - second: +66.7 points, 95 % interval [-5.0, 138.4]
6 questions in 3 pictures, p = 0.25 by sign flips""",
    "trl_reward": "[1.0, 0.0, 0.0]",
}


def test_every_example_is_run(repo: Path) -> None:
    scripts = {path.stem for path in (repo / "examples").glob("*.py")}
    assert scripts == set(OUTPUTS)
    assert [path for path in (repo / "examples").rglob("*.py") if len(path.read_text().splitlines()) > 40] == []


@pytest.mark.parametrize("name", list(OUTPUTS))
def test_an_example_prints_what_it_promises(name: str, repo: Path, tmp_path: Path) -> None:
    command = [sys.executable, repo / "examples" / f"{name}.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == OUTPUTS[name]


def test_the_benchmark_of_the_examples_serves_a_config(repo: Path, tmp_path: Path) -> None:
    text = (repo / "config" / "evaluate.yaml").read_text(encoding="utf-8")
    text += f"\nbenchmark_folders: [{repo / 'examples' / 'benchmarks' / 'quiz'}]\n"
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "vr1repro", "check", tmp_path / "mine.yaml"]
    done = subprocess.run(command, cwd=repo, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
