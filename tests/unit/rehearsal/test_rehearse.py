"""Presets run, shrunken, with the real libraries: DeepSpeed on two processes, vLLM's CPU engine in the trainer's."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from vr1repro.cli import app

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
pytest.importorskip("deepspeed")
pytest.importorskip("vllm")


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        # Tied embeddings, ZeRO-3, vLLM in the trainer's process, SFT before, a second stage with another reference.
        ("paper-8gpu-3b", ["--arm", "vision-r1"]),
        # A long system prompt: what is wrong with positions shows behind it.
        ("paper-8gpu-7b", ["--arm", "zero", "--stage", "1"]),
        pytest.param("paper-8gpu-7b", [], marks=pytest.mark.verify),
        pytest.param("paper-8gpu-3b", [], marks=pytest.mark.verify),
        pytest.param("paper-1gpu-3b", [], marks=pytest.mark.verify),
        pytest.param("paper", [], marks=pytest.mark.verify),
        pytest.param("evaluate", [], marks=pytest.mark.verify),
    ],
)
def test_a_preset_can_be_rehearsed(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str, options: list[str]
) -> None:
    monkeypatch.chdir(repo)
    command = ["rehearse", "--configfile", f"config/{preset}.yaml", "--out", str(tmp_path / "out"), *options]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output[-4000:]
    assert "failed" not in result.output
    assert list((tmp_path / "out").glob("results/*/eval/*/responses.json"))
