"""`vr1repro evaluate` and `grade` against an endpoint that misbehaves: no text is lost, and no key is in any file."""

import base64
import io
import json
import os
import platform
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from llm_server import LlmServer, Reply, completion, failure
from PIL import Image
from waiting import wait_until

pytest.importorskip("aiohttp")

KEY = "sk-canary-e2e-4417-abcdefgh"
COUNT = 8
# What counts may look like that are none.
COUNTS: list[Any] = ["12", -7, 4.5, True, None, [1], {"a": 1}, "9" * 50]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(picture, "PNG")
    image = {"bytes": picture.getvalue(), "path": None}
    rows = [
        {"id": str(number), "question": f"What is {number}?", "options": ["1", "2"], "answer": str(number), "level": 1,
         "subject": "algebra", "image": image}
        for number in range(COUNT)
    ]  # fmt: skip
    path = tmp_path / "test.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def evaluate(server: LlmServer, questions: Path, out: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    settings = {"model": "m", "retries": 1, "max_backoff_s": 0.01, "concurrency": 3, **options}
    return vr1repro(
        "evaluate", "--model", server.url, "--benchmarks", "mathvision", "--data", f"mathvision={questions}", "--out",
        str(out), "--engine-options", json.dumps(settings), "--name", "served",
    )  # fmt: skip


def vr1repro(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *words], capture_output=True, text=True, check=False,
        env={**os.environ, "OPENAI_API_KEY": KEY, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip


def responses(out: Path) -> list[dict[str, Any]]:
    path = out / "served" / "mathvision" / "single" / "e1" / "responses.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def spellings(key: str) -> list[str]:
    return [
        key, base64.b64encode(key.encode()).decode(), base64.b64encode(f"Bearer {key}".encode()).decode(),
        json.dumps(key)[1:-1], key.encode().hex(),
    ]  # fmt: skip


def assert_nowhere(key: str, folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()] + [(done.stdout + done.stderr).encode()]
    assert len(texts) > 3
    for spelt in spellings(key)[:4]:
        assert not any(spelt.encode() in text for text in texts), spelt


def test_every_text_is_a_row_whatever_stands_beside_it_and_the_key_is_nowhere(questions: Path, tmp_path: Path) -> None:
    draw = random.Random(1)

    def answer(asked: Any) -> Reply:
        number = int(asked.text.split("What is ")[1].split("?")[0])
        echo = draw.choice(spellings(KEY)[:3])
        _, body = completion(f"\\boxed{{{number}}} {echo}") or (0, {})
        body["usage"] = {"completion_tokens": COUNTS[number], "prompt_tokens": COUNTS[-number]}
        body["id"] = body["system_fingerprint"] = echo
        if number == 3:
            body["choices"][0]["finish_reason"] = "tool_calls"
        return 200, body

    out = tmp_path / "out"
    with LlmServer(answer).running() as server:
        done = evaluate(server, questions, out)
        assert done.returncode == 0, done.stderr
        assert {asked.key for asked in server.asked} == {f"Bearer {KEY}"}
    rows = responses(out)
    assert [row["id"] for row in rows] == [str(number) for number in range(COUNT)]
    assert all(row["response"] == f"\\boxed{{{row['id']}}} ***" or "***" in row["response"] for row in rows)
    assert {row["id"]: row["n_tokens"] for row in rows} == dict.fromkeys(map(str, range(COUNT)))
    assert all("usage.completion_tokens" in row["note"] for row in rows if row["id"] != "4")
    assert rows[3]["finish_reason"] == "unknown"
    assert "mathvision, protocol single, seed 1" in done.stdout
    assert "8/8" in done.stdout
    assert not list(out.rglob("replies*"))
    assert_nowhere(KEY, tmp_path, done)


@pytest.mark.parametrize(
    "reply",
    [failure(401, f"Incorrect key Bearer {KEY}"), failure(400, f"no {KEY}"), failure(500, KEY), (200, b"<html>"),
     (200, {"choices": [{"message": {"content": None, "refusal": KEY}}]})],
)  # fmt: skip
def test_an_endpoint_that_gives_no_text_ends_the_run_in_one_line(questions: Path, tmp_path: Path, reply: Reply) -> None:
    with LlmServer(lambda asked: reply).running() as server:
        done = evaluate(server, questions, tmp_path / "out")
        assert done.returncode == 2
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert [error.startswith(f"error: {server.url}: ") for error in errors] == [True]
        assert "Traceback" not in done.stderr
    assert_nowhere(KEY, tmp_path, done)


def test_a_key_in_engine_options_is_refused_before_anything_is_written(questions: Path, tmp_path: Path) -> None:
    with LlmServer(lambda asked: completion("1")).running() as server:
        done = evaluate(server, questions, tmp_path / "out", extra={"api_key": KEY})
        assert done.returncode == 2
        assert "--engine-options" in done.stderr
        assert "extra.api_key holds a key" in done.stderr
        assert "key_env" in done.stderr
        assert not server.asked
    assert KEY not in done.stderr
    assert not (tmp_path / "out").exists()


def test_two_processes_on_one_folder(questions: Path, tmp_path: Path) -> None:
    """The second is refused before it asks anything, and all rows of the first are kept; others may work beside it."""
    held, first = threading.Event(), threading.Event()

    def answer(asked: Any) -> Reply:
        first.set()
        held.wait()
        return completion("\\boxed{1}")

    out, folder = tmp_path / "out", tmp_path / "out/served/mathvision/single/e1"
    with LlmServer(answer).running() as server, ThreadPoolExecutor() as pool:
        try:
            running = pool.submit(evaluate, server, questions, out)
            wait_until(lambda: first.is_set() or running.done(), "the first question")
            asked = len(server.asked)
            assert not running.done()
            pid = json.loads((folder / "responses.jsonl.lock").read_text())["pid"]
            refused = evaluate(server, questions, out)
            assert len(server.asked) <= max(asked, 3)  # the first's `concurrency`
        finally:
            held.set()
        beside = evaluate(server, questions, tmp_path / "another")
        done = running.result()
    assert (refused.returncode, done.returncode, beside.returncode) == (2, 0, 0)
    assert refused.stderr.splitlines()[-1] == (
        f"error: {folder}/responses.jsonl: another process is working on these responses (process {pid} on"
        f" {platform.node()}, for 0 min); wait for it or end it"
    )
    assert [row["id"] for row in responses(out)] == [str(number) for number in range(COUNT)]
    assert len(server.asked) == 2 * COUNT
    assert not list(out.rglob("*.lock"))


# The files of `grade`, and what its one line says.
GRADED = {
    "a question without its columns": ({"q": '{"id":"1"}'}, r"q.jsonl: question '1': has no column"),
    "questions that are no JSON": ({"q": "x"}, "q.jsonl:1: not JSON"),
    "a response nested too deep": ({"r": '{"id":"1","response":' + "[" * 9999}, "r.jsonl:1: nested deeper"),
    "a list nested too deep": ({"r": "[" * 9999}, "r.jsonl:1: nested deeper"),
    "a response that is no UTF-8": ({"r": b'{"id":"1","response":"\xff"}'}, "r.jsonl: not UTF-8"),
    "a key twice": ({"r": '{"id":"1","id":"2","response":""}'}, "r.jsonl:1: the key 'id' stands twice"),
    "an output below a file": ({"out": "r.jsonl/v.jsonl"}, "v.jsonl: cannot be written"),
    "an output in a place that takes none": ({"out": "/proc/none/v.jsonl"}, "v.jsonl: cannot be written"),
    "an output that is a folder": ({"out": "."}, ": cannot be written"),
}  # fmt: skip


@pytest.mark.parametrize("case", GRADED)
def test_grade_says_one_line(tmp_path: Path, case: str) -> None:
    question = {"id": "1", "question": "?", "options": [], "answer": "1", "level": 1, "subject": "algebra"}
    given, words = GRADED[case]
    contents = {"q": json.dumps(question), "r": '{"id":"1","response":"\\\\boxed{1}"}', **given}
    for name in ("q", "r"):
        text = contents[name]
        (tmp_path / f"{name}.jsonl").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = vr1repro(
        "grade", "--benchmark", "mathvision", "--responses", str(tmp_path / "r.jsonl"), "--questions",
        str(tmp_path / "q.jsonl"), "--out", str(tmp_path / str(given.get("out", "v.jsonl"))),
    )  # fmt: skip
    assert done.returncode == (1 if "r" in given else 2), done.stderr  # responses without a grade exit with 1
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("*.partial"))
