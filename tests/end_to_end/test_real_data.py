"""The command line on real benchmark files and real model outputs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MODELS = ["random_guess", "frequent_guess", "bard", "gpt4_2shot_code", "minigpt4_llama2", "mplugowl_7b_ft"]


def vr1repro(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("model", MODELS)
def test_grade_prints_the_official_score_of_mathvista(shared: Path, tmp_path: Path, model: str) -> None:
    folder = shared / "mathvista"
    printed = vr1repro(
        "grade", "--benchmark", "mathvista", "--profile", "official", "--legacy-int",
        "--responses", folder / "outputs" / f"{model}.jsonl", "--questions", folder / "testmini.jsonl",
        "--out", tmp_path / "verdicts.jsonl",
    )  # fmt: skip
    official = json.loads((folder / "scores" / f"{model}.json").read_text())["average"]
    overall = printed.splitlines()[0]
    assert re.search(rf"\b{official['correct']}/{official['total']}\b", overall), overall
    assert float(overall.split()[2]) == pytest.approx(float(official["accuracy"]), abs=0.051)


def evaluate_mathvision(checkpoint: Path, shared: Path, out: Path, limit: int) -> dict[str, int]:
    """Ask a checkpoint real MathVision problems through loader, lm-eval and grader; the counts of its responses."""
    printed = vr1repro(
        "evaluate", "--model", checkpoint, "--benchmarks", "mathvision", "--preset", "think-answer",
        "--data", f"mathvision={shared / 'mathvision' / 'problems-240.parquet'}", "--limit", limit, "--batch-size", 32,
        "--max-tokens", 48, "--name", "tiny", "--out", out,
    )  # fmt: skip
    assert "profile rule" in printed
    verdicts = (out / "tiny" / "mathvision" / "single" / "e1" / "verdicts" / "rule.jsonl").read_text().splitlines()
    assert len(verdicts) == limit
    run = json.loads((out / "tiny" / "mathvision" / "single" / "e1" / "run.json").read_text())
    assert run["content"]["healthy"]
    counts: dict[str, int] = run["content"]["counts"]
    return counts


def test_real_mathvision_pictures_reach_the_model_whole(shared: Path, tmp_path: Path, tiny_checkpoint: Path) -> None:
    counts = evaluate_mathvision(tiny_checkpoint, shared, tmp_path, 24)
    assert counts["questions"] == counts["responses"] == 24
    assert (counts["unknown_tokens"], counts["grid_mismatches"], counts["refused"]) == (0, 0, 0)


@pytest.mark.verify
def test_the_final_micro_checkpoint_is_asked_all_of_them(repo: Path, shared: Path, tmp_path: Path) -> None:
    checkpoints = sorted((repo / "results" / "micro" / "train" / "vision-r1").glob("s*/stage2/step[0-9]*"))
    if not checkpoints:
        pytest.skip("no micro run here: `make micro` first")
    counts = evaluate_mathvision(checkpoints[-1], shared, tmp_path, 240)
    assert counts["questions"] == counts["responses"] == 240
    assert (counts["unknown_tokens"], counts["grid_mismatches"], counts["refused"]) == (0, 0, 0)
