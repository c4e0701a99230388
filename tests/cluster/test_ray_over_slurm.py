"""run.sh of a stage for verl under a real Slurm: Ray starts on two nodes, nothing is trained, nothing of it is left."""

import os
from pathlib import Path

import psutil
import pytest
from slurm_cluster import Cluster
from waiting import wait_until

from vr1repro.config.loader import check
from vr1repro.core.errors import UserError
from vr1repro.core.yaml_tree import yaml_document
from vr1repro.handover.engines import ENGINES, environment
from vr1repro.handover.files import run_file
from vr1repro.handover.stage import handed_stage

pytestmark = pytest.mark.verify
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL")


def of_ray(mark: str) -> list[str]:
    """Processes of Ray that name a port of ours."""
    lines = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if ("raylet" in words or "gcs_server" in words) and mark in words:
            lines.append(words[:200])
    return lines


def test_ray_starts_on_two_nodes_and_stops(cluster: Cluster, repo: Path, tmp_path: Path) -> None:
    verl = ENGINES["verl"]
    try:
        folder = environment(verl)
    except UserError as missing:
        pytest.skip(str(missing))
    values, _ = yaml_document(repo / "config" / "micro.yaml")
    values["rl"]["launch"] |= {"nodes": 2, "processes": 1}
    stage = handed_stage(check(values, "test"), "vision-r1", 1, 1)
    (tmp_path / "logs").mkdir()
    (tmp_path / "run.sh").write_text(run_file(stage, verl, tmp_path))
    variables = f"ALL,VR1REPRO_ONLY_RAY=1,VR1REPRO_VERL={folder},PATH={cluster.bin}:{os.environ['PATH']}"
    words = ("sbatch", "--parsable", "--mem=5000", f"--export={variables}", f"--output={tmp_path}/out", "run.sh")
    job = cluster.ask(*words, cwd=tmp_path)

    def output() -> str:
        return "\n".join(
            path.read_text(errors="replace")[-1500:] for path in [tmp_path / "out", *tmp_path.glob("logs/*")]
        )

    wait_until(lambda: cluster.jobs()[job][0] in ENDED, "the job's end", every_s=0.5, evidence=output)
    assert cluster.jobs()[job][0] == "COMPLETED", output()
    port = 20000 + int(job) % 10000
    assert f"ray: 2 of 2 node(s) joined at 127.0.1.1:{port}" in output() or f"joined at 127.0.0.1:{port}" in output()
    wait_until(lambda: not of_ray(f":{port}"), "Ray's end", every_s=0.2)
    assert sorted(path.name for path in (tmp_path / "logs").iterdir())[:2] == ["ray-node1.log", "ray-node2.log"]
    assert not (tmp_path / "checkpoints").exists()
