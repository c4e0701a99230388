"""A run's fetching jobs against a hub on loopback that moves on while they run."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import CARD, COMMIT, Hub, parquet, vr1repro
from PIL import Image

from vr1repro.core.problem_files import write_problems
from vr1repro.core.records import Problem

MODEL, DATA, COLD = "someone/model-7B", "someone/verse", "someone/cold"
LATER = "f" * 40


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    reply = "<think> a b </think><answer> Final Answer:2 </answer>"
    picture = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(picture, "PNG")
    traces = tmp_path / "coldset.parquet"
    write_problems(
        traces,
        [Problem(id="1", source="s", question="1+1?", answer="2", image=picture.getvalue(),
                 metadata={"completion": reply, "answer_only": "<answer> Final Answer:2 </answer>"})],
    )  # fmt: skip
    served = Hub({
        MODEL: {"model.safetensors": b"weights", "config.json": b"{}"},
        DATA: {"README.md": CARD.encode(), "testmini.parquet": parquet("Which?\nChoices:\nA:1\nB:2"),
               "other.parquet": parquet("Another?")},
        COLD: {"coldset.parquet": traces.read_bytes()},
    })  # fmt: skip
    yield served
    served.shutdown()


@pytest.fixture
def config(repo: Path, tmp_path: Path) -> Path:
    values = yaml.safe_load((repo / "config" / "paper.yaml").read_text())
    source = {"kind": "hub", "id": DATA, "name": "testmini", "split": "testmini"}
    values["models"]["qwen2.5-vl-7b"] |= {"id": MODEL}
    values["benchmarks"] = {"mathverse": source}
    for name in ("llama-base", "llama-ci"):
        del values["arms"][name]["evaluate_on"]
    values["problems"] |= {"rl-10k": {**source, "adapter": "mathverse"}}
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "rows.parquet").write_bytes(parquet("Local?"))
    values["problems"] |= {"rl-additional": {"kind": "path", "path": str(tmp_path / "rows"), "adapter": "mathverse"}}
    values["evaluation"]["benchmarks"] = values["selection"]["benchmarks"] = ["mathverse"]
    for arm in values["arms"].values():
        arm.pop("evaluate_on", None)
    values |= {"take_released": ["coldset"], "run": "mine"}
    values["coldset"]["released"] = {"kind": "hub", "id": COLD, "revision": None}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "mine.yaml"


def job(config: Path, name: str, folder: str, *options: str, **variables: str) -> dict[str, Any]:
    """Run a job of the workflow, and give back its manifest's content."""
    out = config.parent / "results" / "mine" / folder
    done = vr1repro(config, "stage", name, "--config", str(config), "--out", str(out), *options, **variables)
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads((out / "manifest.json").read_text())["content"]
    return content


@pytest.mark.slow
def test_a_released_set_is_read_through_the_links_of_the_hubs_cache(hub: Hub, config: Path) -> None:
    """A snapshot's files are links out of it; both the rows' file and the pictures that they name are read."""
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "white").save(buffer, "PNG")
    reply = "<think> a b </think><answer> Final Answer:2 </answer>"
    turns = [{"from": "human", "value": "<image>\n1+1?"}, {"from": "gpt", "value": reply}]
    rows = [{"id": "1", "image": "images/a.png", "conversations": turns},
            {"id": "2", "image": "../../refs/main", "conversations": turns}]  # fmt: skip
    hub.repositories[COLD] = {"vision_r1_llava.json": json.dumps(rows).encode(), "images/a.png": buffer.getvalue()}
    cold = job(config, "released-coldset", "released/coldset", HF_ENDPOINT=hub.url)
    assert cold["facts"] == {"kept": 1, "skipped": {"image_outside_folder": 1}, "commit": COMMIT}
    cache = next(config.parent.rglob("images/a.png"))
    assert cache.is_symlink()


@pytest.mark.slow
def test_every_job_takes_the_commit_of_the_first_fetch(hub: Hub, config: Path) -> None:
    at = {"HF_ENDPOINT": hub.url}
    model = job(config, "fetch-model", "models/qwen2.5-vl-7b", "--name", "qwen2.5-vl-7b", **at)
    benchmark = job(config, "problems", "problems/mathverse", "--name", "mathverse", **at)
    hub.commit = LATER
    problems = job(config, "problems", "problems/rl-10k", "--name", "rl-10k", **at)
    local = job(config, "problems", "problems/rl-additional", "--name", "rl-additional", **at)
    cold = job(config, "released-coldset", "released/coldset", **at)
    again = job(config, "fetch-model", "models/qwen2.5-vl-7b-again", "--name", "qwen2.5-vl-7b", **at)
    assert [model["facts"]["commit"], again["facts"]["commit"], benchmark["facts"]["commit"]] == [COMMIT] * 3
    assert model["settings"]["revision"] == COMMIT
    assert problems["settings"]["source"]["revision"] == COMMIT  # the benchmark's repository: no second commit of it
    assert local["settings"]["source"]["revision"] is None
    assert (cold["facts"]["commit"], cold["facts"]["kept"]) == (LATER, 1)  # fetched after the hub had moved on
    record = json.loads((config.parent / "results/mine/revisions.json").read_text())
    assert record == {
        f"model {MODEL}": COMMIT,
        f"dataset {DATA}": COMMIT,
        f"dataset {COLD}": LATER,
        f"dataset path {config.parent / 'rows'}": None,
    }
    hub.shutdown()
    offline = job(config, "problems", "problems/mathverse", "--name", "mathverse", HF_HUB_OFFLINE="1", **at)
    assert offline["facts"]["commit"] == COMMIT
