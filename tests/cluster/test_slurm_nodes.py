"""One training over two nodes, through the rules: equal to two processes on one node."""

import json
from pathlib import Path

import pytest
from cluster_run import QUICK, ClusterRun
from safetensors.numpy import load_file

pytestmark = [pytest.mark.verify, pytest.mark.slow, pytest.mark.timeout(1800)]

SFT, RL = "train/ci/s1/sft", "train/zero/s1/stage1"


def train(run: ClusterRun, nodes: int, processes: int) -> dict[str, Path]:
    launch = {"nodes": nodes, "processes": processes}
    run.config = "config/smoke.yaml"
    run.change(
        f"{nodes}x{processes}.yaml",
        {"sft": {"device_batch": 4, "launch": launch}, "rl": {"device_batch": 8, "launch": launch}},
    )
    run.forget(SFT, RL)
    done = run.run(*(f"results/smoke/{path}/content.sha256" for path in (SFT, RL)), *QUICK)
    logs = "\n".join(path.read_text()[-1500:] for path in (run.root / "logs" / "train").rglob("*.log"))
    assert done.returncode == 0, done.stdout[-2000:] + logs
    kept = {}
    for path in (SFT, RL):
        kept[path] = run.folder / f"{nodes}x{processes}" / path
        kept[path].parent.mkdir(parents=True)
        (run.root / path).rename(kept[path])
        (run.root / path).mkdir()
    return kept


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "steps.jsonl").read_text().splitlines()]


def test_two_nodes_equal_two_processes_on_one(run: ClusterRun) -> None:
    one = train(run, 1, 2)
    two = train(run, 2, 1)
    spread = {comment: run.cluster.ask("squeue", "-h", "--states=all", "-j", job, "-o", "%D")
              for job, (_, comment) in run.cluster.jobs().items()}  # fmt: skip
    assert spread["rule_train_sft_wildcards_ci_1"] == "2"
    for path, final in ((SFT, "final"), (RL, "step2")):
        assert losses(two[path]) == pytest.approx(losses(one[path]), rel=2e-3, abs=1e-5)
        mine, theirs = (load_file(folder[path] / final / "model.safetensors") for folder in (one, two))
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            assert value == pytest.approx(theirs[name], rel=1e-3, abs=1e-5), name
