"""What the engines' tests hand over: a tiny model, small sets, and the engines' own Pythons."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from handed_stages import Run
from lab_sizes import LAB

from vr1repro.coldset import prompts
from vr1repro.config.loader import check
from vr1repro.core.errors import UserError
from vr1repro.core.problem_files import write_problems
from vr1repro.core.provenance import write_manifest
from vr1repro.core.yaml_tree import yaml_document
from vr1repro.handover.engines import ENGINES, easyr1_checkout, environment, process_environment
from vr1repro.lab.model import build, save
from vr1repro.lab.tokenizer import Prompts
from vr1repro.lab.world import generate
from vr1repro.rehearsal.inputs import write_coldset

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "in_engine"))  # one script runs in both environments
SCRIPTS = {"llama-factory": "llama_factory.py", "verl": "verl_engine.py", "easyr1": "easyr1_engine.py"}


@pytest.fixture(scope="session")
def run(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Micro's config, 96 rows of a cold-start set (three steps), 40 problems of RL and an untrained model."""
    root = tmp_path_factory.mktemp("handed")
    values, _ = yaml_document(repo / "config" / "micro.yaml")
    values["arms"]["vision-r1"]["stages"][0] |= {"steps": 10}
    # One epoch: in a second one LLaMA-Factory has the first one's order, and ours another.
    values["sft"] |= {"epochs": 1, "batch": 32, "device_batch": 32}
    config = check(values, "test")
    home = root / "results" / config.run
    bridging = Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION)
    save(*build(LAB, bridging, 0), home / "models" / "tiny")
    write_manifest(home / "models" / "tiny", "model", {}, {})
    # What stages start from; untrained, which no engine can tell.
    for folder in ("ci/s1/sft/final", "ci-answers/s1/sft/final", "vision-r1/s1/stage1/step10"):
        shutil.copytree(home / "models" / "tiny", home / "train" / folder)
    write_coldset(LAB, 96, home / "coldset")
    write_problems(home / "problems" / "rl" / "problems.parquet", generate(LAB.world, "rl", 40, 1))
    return Run(config, root / "results")


@pytest.fixture(scope="session")
def engine_python() -> Callable[..., Any]:
    """Runs a script of `in_engine/` in an engine's environment; skips where there is none."""

    def call(name: str, action: str, *arguments: object, script: str = "") -> None:
        of = ENGINES[name]
        try:
            python = environment(of) / "bin" / "python"
            if name == "easyr1":
                easyr1_checkout()
        except UserError as missing:
            pytest.skip(str(missing))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        variables = {**process_environment(of), "SHARDS_PORT": str(port), "HF_HUB_OFFLINE": "1"}
        words = [str(python), str(HERE / "in_engine" / (script or SCRIPTS[name])), *([action] if action else [])]
        done = subprocess.run([*words, *map(str, arguments)], env=variables, capture_output=True, text=True)
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    return call
