"""A tiny untrained checkpoint and small data, made once, for real training runs of a few steps."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest
from lab_sizes import LAB

from vr1repro.coldset import prompts
from vr1repro.config.loader import load
from vr1repro.core.problem_files import write_problems
from vr1repro.core.provenance import write_manifest
from vr1repro.lab.model import build, save
from vr1repro.lab.tokenizer import Prompts
from vr1repro.lab.world import generate
from vr1repro.rehearsal.inputs import write_coldset


@pytest.fixture(scope="session")
def lab(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Folders `model` and `coldset`, a file `problems`, and the micro config."""
    root = tmp_path_factory.mktemp("lab")
    world = LAB
    bridging = Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION)
    save(*build(world, bridging, 0), root / "model")
    write_manifest(root / "model", "model", {}, {})
    write_coldset(world, 16, root / "coldset")
    write_problems(root / "rl" / "problems.parquet", generate(world.world, "rl", 12, 1))
    return SimpleNamespace(
        model=root / "model",
        coldset=root / "coldset",
        problems=root / "rl" / "problems.parquet",
        config=load(repo / "config" / "smoke.yaml"),
    )


@pytest.fixture
def lively(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reward with spread: an untrained model never earns the real one, and all losses would be 0."""
    from vr1repro.answers.reward import HardFormatReward, Reward
    from vr1repro.core.records import Outcome

    def score(_: Any, texts: list[str], *__: Any) -> list[Reward]:
        return [Reward(crc32(text.encode()) % 5 / 4, True, Outcome.RIGHT, None) for text in texts]

    monkeypatch.setattr(HardFormatReward, "score", score)
