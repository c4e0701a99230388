"""The jobs that extract and judge: killed while a server answers, started again, and then graded."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from held_grader import HeldGrader
from waiting import wait_until

from vr1repro.benchmarks import lookup
from vr1repro.benchmarks.questions import read_questions
from vr1repro.config.graders import ScriptedGrader
from vr1repro.config.loader import load
from vr1repro.config.plan import Checkpoint, Plan
from vr1repro.core.jsonl import read_lines, write_rows
from vr1repro.core.records import Response
from vr1repro.jobs import grade
from vr1repro.lab.benchmarks import write_benchmark
from vr1repro.lab.grader import MODEL, serve

SLUG, BENCHMARK = "base_s0", "mathverse"
HABITS = {"extraction_errors": {"tagged": 0.0, "reflected": 0.2, "untagged": 0.2}, "judgement_misses": 0.1}


def config_of(repo: Path, path: Path, url: str, **changes: Any) -> Path:
    """smoke.yaml whose extractor and judge is the endpoint."""
    values = yaml.safe_load((repo / "config" / "smoke.yaml").read_text())
    sampler = {"kind": "openai", "model": MODEL, "concurrency": 4, "retries": 0}
    llm = {"kind": "model", "model": url, "sampler": sampler}
    values["graders"] = {"llm": llm, "profiles": ["official", "vlmevalkit", "lmms-eval"], **changes}
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def write_responses(plan: Plan, checkpoint: Checkpoint) -> int:
    """Questions of the lab and made-up responses to them; says how many responses."""
    assert plan.config.lab is not None
    folder = Path(plan.problems(BENCHMARK))
    write_benchmark(plan.config.lab.world, BENCHMARK, 6, 1, folder)
    questions = read_questions(lookup.facts(BENCHMARK), folder)
    folders = plan.eval_folders(checkpoint, BENCHMARK)
    for number, (protocol, place) in enumerate(folders):
        rows = [
            Response(
                run="smoke", model=checkpoint.slug, eval_seed=number + 1, protocol=protocol, benchmark=BENCHMARK,
                id=key, prompt_sha="0",
                response=f"<think>{number} {key}</think><answer> Final Answer:{answer} </answer>",
            )
            for key, question in questions.items()
            for answer in (question["answer"] if int(key) % 2 else "0",)
        ]  # fmt: skip
        write_rows(place / "responses.jsonl", rows)
    return len(questions) * len(folders)


def job(name: str, config: Path, out: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "vr1repro", "stage", name, "--config", str(config), "--checkpoint", SLUG,
         "--benchmark", BENCHMARK, "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def rows_in(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.fixture
def habits() -> ScriptedGrader:
    return ScriptedGrader.model_validate({"kind": "scripted", "judgement_slips": 0.0, **HABITS})


def kill_and_resume(name: str, config: Path, out: Path, grader: HeldGrader) -> None:
    """Kill a job while replies are held back, start it again, and count what the server was asked for."""
    ledger, before = out / "llm" / f"{name}.jsonl", len(grader.arrived)
    grader.shut(name, after=7)
    killed = job(name, config, out)
    # It has kept the seven replies, and waits for the next ones.
    wait_until(lambda: killed.poll() is not None or (rows_in(ledger) == 7 and grader.held), f"seven rows of {name}")
    second = job(name, config, out)
    assert "another process is working on this cache" in second.communicate()[0]
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    lost = list(grader.held)
    answered = [prompt for prompt in grader.arrived[before:] if prompt not in lost]
    assert len(answered) == 7
    grader.open()

    resumed = job(name, config, out)
    printed = resumed.communicate()[0]
    assert resumed.returncode == 0, printed
    assert f" {rows_in(ledger) - 7} asked for, 0 failed" in printed
    requests = grader.arrived[before:]
    assert [prompt for prompt in answered if requests.count(prompt) != 1] == []
    # At the server: a request for each kept reply, and those that were in flight at the kill.
    assert len(requests) == rows_in(ledger) + len(lost)


@pytest.mark.slow
def test_killed_in_extraction_and_in_judging_nothing_answered_is_asked_again(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, habits: ScriptedGrader
) -> None:
    monkeypatch.chdir(tmp_path)
    grader = HeldGrader(habits)
    with serve(grader) as url:
        config = config_of(repo, tmp_path / "config.yaml", url)
        plan = Plan(load(config))
        n = write_responses(plan, plan.checkpoint(SLUG))
        out = Path(plan.root) / "eval" / SLUG / BENCHMARK
        for name, summary in (("extract", "extracted.json"), ("judge", "judged.json")):
            kill_and_resume(name, config, out, grader)
            assert (out / summary).exists()

    folders = [folder for _, folder in plan.eval_folders(plan.checkpoint(SLUG), BENCHMARK)]
    extractions = [row for folder in folders for _, row in read_lines(folder / "extractions.jsonl")]
    assert len(extractions) == n == rows_in(out / "llm" / "extract.jsonl")
    grade.run(config, out, SLUG, BENCHMARK)
    scores = json.loads((out / "verdicts.json").read_text())
    assert set(scores) == {
        f"single/e{seed}/{profile}" for seed in (1, 2) for profile in ("official", "rule", "vlmevalkit", "lmms-eval")
    }
    assert {score["figures"]["n_undecided"] for score in scores.values()} == {0}
    assert scores["single/e1/rule"]["figures"]["value"] == 50.0


@pytest.mark.slow
def test_requests_without_reply_end_the_job_and_are_asked_by_the_next(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, habits: ScriptedGrader
) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(HeldGrader(habits)) as url:
        config = config_of(repo, tmp_path / "config.yaml", url)
        plan = Plan(load(config))
        n = write_responses(plan, plan.checkpoint(SLUG))
        out = Path(plan.root) / "eval" / SLUG / BENCHMARK
    # Nobody answers now.
    failed = job("extract", config, out)
    said = failed.communicate()[0]
    assert f"{n} requests to {MODEL} got no reply after all tries" in said
    assert failed.returncode == 2
    assert not (out / "extracted.json").exists()
    config_of(repo, config, url, accept_unanswered=True)
    accepted = job("extract", config, out)
    assert (accepted.communicate()[1], accepted.returncode) == (None, 0)
    figures = json.loads((out / "extracted.json").read_text())["single/e1"]["figures"]
    assert (figures["rows"], figures["given"], figures["failed"]) == (n // 2, 0, n // 2)
