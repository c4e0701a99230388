"""A key that every server echoes in every way is in no file that a run leaves: not in its results, logs or metadata."""

import json
import random
import shutil
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from llm_server import Asked, LlmServer, Reply, completion, failure
from smoke_workflow import CANARY, Workflow, holding, spellings

from vr1repro.config.graders import ScriptedGrader
from vr1repro.lab.grader import reply

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ECHOES = (
    CANARY, f"Bearer {CANARY}", "".join(f"\\u{ord(letter):04X}" for letter in CANARY), quote(CANARY, safe=""),
    b64encode(CANARY.encode()).decode(), b64encode(f"Bearer {CANARY}".encode()).decode(),
    json.dumps({"authorization": CANARY}),
)  # fmt: skip


def test_the_smoke_run_holds_no_key(smoke: Workflow) -> None:
    """Its extractor and judge were asked over HTTP with this key."""
    assert holding(CANARY, smoke.folder) == []


@pytest.mark.parametrize("spelling", spellings(CANARY))
def test_the_search_finds_what_it_looks_for(tmp_path: Path, spelling: str) -> None:
    for name in "abcd":
        (tmp_path / name).write_text("{}")
    (tmp_path / "b").write_text(f"..{spelling}..")
    assert holding(CANARY, tmp_path) == [tmp_path / "b"]


class Echo:
    """Replies with the key somewhere in each: in texts, beside them, in errors that a second try survives or not."""

    def __init__(self, habits: ScriptedGrader) -> None:
        self.habits, self.draw, self.tried = habits, random.Random(1), set[str]()
        self.kinds: set[str] = set()

    def __call__(self, asked: Asked) -> Reply:
        echo = self.draw.choice(ECHOES)
        first = asked.text not in self.tried
        self.tried.add(asked.text)
        self.kinds.add(kind_of(asked.text))
        if first and self.draw.random() < 0.3:
            return self.draw.choice(
                [failure(500, echo), failure(429, echo), (502, f"<html>{echo}</html>".encode()), (200, echo.encode()),
                 (200, {"error": {"message": echo}}),
                 (200, {"model": echo, "choices": [{"message": {"content": echo}}]})]
            )  # fmt: skip
        if kind_of(asked.text) == "bridge" and self.draw.random() < 0.1:
            return failure(400, f"content_policy: {echo}")  # kept as a refusal with its reason
        if kind_of(asked.text) == "bridge":
            text = f"<think>{echo} Wait, 12 is the largest.</think><answer> Final Answer:12 </answer>"
        else:
            text = reply(asked.text, self.habits)
            text = text if text in "01" else f"{text} {echo}"
        further = {"reasoning_content": echo} if kind_of(asked.text) == "bridge" else {}
        _, body = completion(text, **further) or (0, {})
        body["id"] = body["system_fingerprint"] = echo
        body["usage"] = {"completion_tokens": echo, "prompt_tokens": {"cached": echo}}
        body["choices"][0]["finish_reason"] = self.draw.choice(["stop", echo])
        return 200, body


def kind_of(prompt: str) -> str:
    if prompt.endswith("Judgement:"):
        return "judge"
    return "extract" if "extract" in prompt.rstrip().lower().rpartition("\n")[2] else "bridge"


@pytest.mark.verify
def test_a_key_that_is_echoed_is_in_no_file(smoke: Workflow, tmp_path: Path) -> None:
    """Bridging, extraction and judging in the workflow, over what the smoke run has made before."""
    for name in ("vr1repro", "workflow", "config", "envs"):
        shutil.copytree(smoke.repo / name, tmp_path / "copy" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(smoke.repo / "Snakefile", tmp_path / "copy")
    workflow = replace(smoke, folder=tmp_path / "run", package=tmp_path / "copy", warm=True)
    shutil.copytree(smoke.folder, workflow.folder, symlinks=True)
    path = tmp_path / "copy" / "config" / "smoke.yaml"
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    echo = Echo(ScriptedGrader.model_validate(values["graders"]["llm"]))
    with LlmServer(echo).running() as server:
        server.headers = {"X-Request-Key": CANARY, "Set-Cookie": f"key={quote(CANARY)}", "Server": CANARY}
        sampler = {"kind": "openai", "model": "m", "concurrency": 4, "max_backoff_s": 0.01}
        asked = {"kind": "model", "model": server.url, "sampler": sampler}
        limits = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 64}
        values["coldset"] |= {"mllm": {**asked, **limits}, "reasoner": {**asked, **limits}}
        values["graders"]["llm"] = asked
        path.write_text(yaml.safe_dump(values, sort_keys=False))
        graded = [f"results/smoke/eval/base_s0/{slug}/verdicts.json" for slug in ("mathvista", "mathverse")]
        shards = [f"results/smoke/coldset/shards/{shard}/content.sha256" for shard in (0, 1)]
        done = workflow.run(*shards, *graded)
        assert {one.key for one in server.asked} == {f"Bearer {CANARY}"}
    (workflow.folder / "printed").write_text(done.stdout + done.stderr)
    assert echo.kinds == {"bridge", "extract", "judge"}
    assert holding(CANARY, workflow.folder) == []
    assert done.returncode == 0, done.stderr[-3000:]
    ledgers = [*workflow.root.glob("coldset/shards/*/ledger.jsonl"), *workflow.root.glob("eval/base_s0/*/llm/*.jsonl")]
    assert len(ledgers) > 3
    assert "***" in "".join(ledger.read_text() for ledger in ledgers)
