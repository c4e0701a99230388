"""Loss, reward and length of every training stage of the smoke run, step by step, against a committed reference.

What another sampler, library or processor computes is another trajectory, so the reference is stamped with them and
holds only there. After a change that means to change training, write it anew and look at the difference:

    pytest tests/workflow/test_trajectories.py --write-references
"""

import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from smoke_workflow import Workflow

from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import read_lines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

REFERENCE = Path(__file__).with_name("trajectories.json")
KEYS = ("loss", "reward", "accuracy", "mean_length", "clipped_share", "entropy", "kl")


def stamp() -> dict[str, str]:
    import torch
    import transformers
    import trl

    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
        "machine": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }


def trajectories(workflow: Workflow) -> dict[str, dict[str, list[Any]]]:
    stages = {}
    for path in sorted((workflow.root / "train").rglob("steps.jsonl")):
        rows = [row for _, row in read_lines(path)]
        stage = path.parent.relative_to(workflow.root / "train").as_posix()
        stages[stage] = {key: [row[key] for row in rows] for key in KEYS if rows[0].get(key) is not None}
    return stages


def test_training_takes_the_path_of_the_reference(
    smoke: Workflow, repo: Path, reference_file: Callable[[str], Path]
) -> None:
    stages = trajectories(smoke)
    place = reference_file(REFERENCE.relative_to(repo).as_posix())
    write_atomically(place, json.dumps({"stamp": stamp(), "stages": stages}, indent=1) + "\n")
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))
    if reference["stamp"] != stamp():
        pytest.skip(f"the reference was made with {reference['stamp']}, here are {stamp()}")
    assert stages.keys() == reference["stages"].keys()
    for stage, curves in reference["stages"].items():
        for key, values in curves.items():
            assert stages[stage][key] == pytest.approx(values, rel=1e-4, abs=1e-6), f"{stage}: {key}"
    assert any(len(set(curves["loss"])) > 1 for curves in stages.values())
