"""`vr1repro fetch CONFIG` against a hub on loopback, and jobs that then see no network."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hub_server import CARD, COMMIT, Hub, parquet, vr1repro
from typer.testing import CliRunner

from vr1repro.cli import app
from vr1repro.cluster.prefetch import hub_repositories
from vr1repro.config import loader
from vr1repro.config.plan import Plan

MODEL, DATA = "someone/model-7B", "someone/verse"


@pytest.fixture
def hub() -> Iterator[Hub]:
    weights = os.urandom(24_000_000)  # the client writes ten megabytes at a time
    served = Hub({
        MODEL: {"model.safetensors": weights, "config.json": b'{"a": 1}', "code.py": b"raise SystemExit"},
        DATA: {"README.md": CARD.encode(), "testmini.parquet": parquet("Which?\nChoices:\nA:1\nB:2"),
               "other.parquet": parquet("Another?")},
    })  # fmt: skip
    yield served
    served.shutdown()


@pytest.fixture
def config(repo: Path, tmp_path: Path) -> Path:
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text())
    hub = {"kind": "hub", "revision": None}
    values["models"]["qwen2.5-vl-7b"] |= {"id": MODEL}
    values["benchmarks"] = {"mathverse": {**hub, "id": DATA, "name": "testmini", "split": "testmini"}}
    values["evaluation"]["benchmarks"] = ["mathverse"]
    values["arms"] = {"base": values["arms"]["base"]}
    values |= {"run_arms": ["base"], "take_released": ["coldset"], "run": "mine", "lengths": None, "graders": None}
    values["coldset"]["released"] = {"kind": "path", "path": str(tmp_path)}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "mine.yaml"


def test_fetch_pins_checks_and_goes_on_and_jobs_run_offline(hub: Hub, config: Path) -> None:
    hub.cut.add("model.safetensors")
    done = vr1repro(config, "fetch", str(config), HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert f"{MODEL}@{COMMIT}  2 files" in done.stdout  # never code
    assert any(part.startswith("bytes=") and part != "bytes=0-" for part in hub.ranges)  # it went on, not again
    checked = json.loads((config.parent / "results/mine/hub.json").read_text())
    revisions = json.loads((config.parent / "results/mine/revisions.json").read_text())
    assert revisions == {f"model {MODEL}": COMMIT, f"dataset {DATA}": COMMIT, f"dataset path {config.parent}": None}
    assert set(checked) == {f"model {MODEL}", f"dataset {DATA}"}
    assert checked[f"dataset {DATA}"]["commit"] == COMMIT

    sent = hub.sent.copy()
    assert vr1repro(config, "fetch", str(config), HF_ENDPOINT=hub.url).returncode == 0
    assert hub.sent == sent

    hub.shutdown()
    offline = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "1"}
    folder = config.parent / "results/mine"
    for words in (
        ["fetch-model", "--name", "qwen2.5-vl-7b", "--out", str(folder / "models/qwen2.5-vl-7b")],
        ["problems", "--name", "mathverse", "--out", str(folder / "problems/mathverse")],
    ):
        job = vr1repro(config, "stage", words[0], "--config", str(config), *words[1:], **offline)
        assert job.returncode == 0, job.stderr
    code = (
        "from pathlib import Path; from vr1repro.config.loader import load\n"
        "from vr1repro.problems.fetch import linked_source\n"
        "from vr1repro.problems.load import load_problems\n"
        f"from vr1repro.core.revisions import Revisions\n"
        f"source = load(Path({str(config)!r})).benchmarks['mathverse']\n"
        f"source = Revisions(Path({str(folder)!r})).pinned(source, 'dataset')\n"
        f"linked = linked_source(source, Path({str(folder / 'problems/mathverse')!r}), 'mathverse')\n"
        "for asked in (source, linked): print([problem.question for problem in load_problems(asked)])\n"
    )
    read = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=config.parent,
        env={**os.environ, "HF_HOME": str(config.parent / "hf"), **offline},
    )  # fmt: skip
    assert read.stdout.count("Which?") == 2, read.stderr
    assert "Another?" not in read.stdout


def test_a_damaged_file_is_named(hub: Hub, config: Path) -> None:
    assert vr1repro(config, "fetch", str(config), HF_ENDPOINT=hub.url).returncode == 0
    (weights,) = config.parent.glob("hf/hub/models--*/snapshots/*/model.safetensors")
    with weights.resolve().open("r+b") as stream:
        stream.write(b"XXXX")
    done = vr1repro(config, "fetch", str(config), HF_ENDPOINT=hub.url)
    assert done.returncode == 2
    assert "model.safetensors: damaged" in done.stderr


def test_what_is_not_there_is_one_line(hub: Hub, config: Path) -> None:
    del hub.repositories[MODEL]
    done = vr1repro(config, "fetch", str(config), HF_ENDPOINT=hub.url)
    assert done.returncode == 2
    assert f"{MODEL}: cannot be fetched from the hub" in done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing.yaml: no such config file" in vr1repro(config, "fetch", "nothing.yaml").stderr


def test_the_paper_needs_these(repo: Path) -> None:
    plan = Plan(loader.load(repo / "config/paper.yaml"))
    repositories = {repository.id: repository for repository in hub_repositories(plan)}
    assert {"Qwen/Qwen2.5-VL-72B-Instruct", "Xkev/LLaVA-CoT-100k", "Osilly/Vision-R1-rl", "AI4Math/MathVista"} <= set(
        repositories
    )
    assert "Osilly/Vision-R1-cold" not in repositories  # it is built
    assert repositories["Qwen/Qwen2.5-VL-7B-Instruct"].files


def test_a_config_without_the_hub_has_nothing_to_fetch(repo: Path) -> None:
    path = str(repo / "config" / "micro.yaml")
    result = CliRunner().invoke(app, ["fetch", path])
    assert result.exit_code == 0
    assert result.output == f"{path}: takes nothing from the hub; there is nothing to fetch\n"
