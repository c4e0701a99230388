"""A tiny untrained checkpoint and small data, made once, for real training runs of a few steps."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from lab_sizes import LAB

from vr1repro.answers.completion import answer_only, completion
from vr1repro.coldset import prompts
from vr1repro.config.loader import load
from vr1repro.core.problem_files import write_problems
from vr1repro.core.provenance import write_manifest
from vr1repro.lab.model import build, save
from vr1repro.lab.tokenizer import Prompts
from vr1repro.lab.world import generate


@pytest.fixture(scope="session")
def lab(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Folders `model` and `coldset`, a file `problems`, and the micro config."""
    root = tmp_path_factory.mktemp("lab")
    world = LAB
    bridging = Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION)
    save(*build(world, bridging, 0), root / "model")
    write_manifest(root / "model", "model", {}, {})
    cold = [
        problem.model_copy(
            update={
                "metadata": {
                    "completion": completion("1 2 1+2=3. Wait, check: " * (n % 3 + 1), problem.answer),
                    "answer_only": answer_only(problem.answer),
                }
            }
        )
        for n, problem in enumerate(generate(world.world, "cold", 16, 1))
    ]
    write_problems(root / "coldset" / "coldset.parquet", cold)
    write_manifest(root / "coldset", "coldset", {}, {})
    write_problems(root / "rl" / "problems.parquet", generate(world.world, "rl", 12, 1))
    return SimpleNamespace(
        model=root / "model",
        coldset=root / "coldset",
        problems=root / "rl" / "problems.parquet",
        config=load(repo / "config" / "smoke.yaml"),
    )
