"""LLM extraction and judging against a server in a process of its own, its failures included."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import write_rows
from vr1repro.evaluation.llm import Asker, Llm
from vr1repro.evaluation.stages import extract_file, judge_file

pytest.importorskip("openai")

# What it replies is in the prompt: `SAY x` anywhere makes it say x, once a line of `fail` is gone it recovers.
SERVER = """
import json, re, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

log = Path(sys.argv[1])

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"][-1]["text"]
        with log.open("a") as stream:
            stream.write(json.dumps([body["temperature"], prompt]) + "\\n")
        broken = (log.parent / "broken").exists()
        if broken and "BREAK" in prompt:
            return self.send(500, {"error": {"message": "down"}})
        if broken and "GARBAGE" in prompt:
            return self.raw(200, b"<html>not json")
        if broken and "HANG" in prompt:
            time.sleep(30)
        said = re.findall(r"SAY (\\S+)", prompt)
        text = "" if "EMPTY" in prompt else said[-1] if said else "what?"
        if "LATER" in prompt and body["temperature"] < 1:
            text = "maybe"
        self.send(200, {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]})

    def send(self, status, body):
        self.raw(status, json.dumps(body).encode())

    def raw(self, status, data):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""

VISTA = {"question": "How many?", "query": "How many?", "choices": None, "question_type": "free_form",
         "answer_type": "integer", "answer": "7", "metadata": {}}  # fmt: skip
VERSE = {"question": "What?", "question_type": "free-form", "answer": "12", "problem_version": "Text Lite"}


class Server:
    """The process, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "asked.jsonl"
        (folder / "server.py").write_text(SERVER)
        self.process = subprocess.Popen(
            [sys.executable, folder / "server.py", self.log], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def asked(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def breaks(self, broken: bool) -> None:
        (self.folder / "broken").touch() if broken else (self.folder / "broken").unlink()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.process.kill()
    made.process.wait()


def rows_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def cli(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vr1repro.cli", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_extract_fails_row_by_row_recovers_and_is_replayed_offline(server: Server, tmp_path: Path) -> None:
    texts = ["7", "I think SAY 7", "BREAK SAY 7", "GARBAGE SAY 7", "HANG SAY 7", "EMPTY", "\ud800 \x00 SAY 8"]
    write_rows(tmp_path / "q.jsonl", [{**VISTA, "pid": str(n)} for n in range(len(texts))])
    write_rows(tmp_path / "r.jsonl", [{"pid": str(n), "response": text} for n, text in enumerate(texts)])
    files = ["--benchmark", "mathvista", "--questions", tmp_path / "q.jsonl"]
    stage = [*files, "--responses", tmp_path / "r.jsonl", "--cache", tmp_path / "cache.jsonl", "--model", "m"]
    ask = ["--endpoint", server.url, "--timeout", "1", "--retries", "0"]
    score = ["grade", *files, "--profile", "official", "--responses", tmp_path / "e.jsonl", "--out", tmp_path / "v"]

    server.breaks(True)
    printed = cli("extract", *stage, *ask, "--out", tmp_path / "e.jsonl")
    assert "4 failed" in printed
    found = rows_of(tmp_path / "e.jsonl")
    assert [row.get("extraction") for row in found] == ["7", "7", None, None, None, None, "8"]
    assert ["extraction_error" in row for row in found] == [False, False, True, True, True, True, False]
    assert (found[0]["extracted_by"], found[1]["extracted_by"]) == ("rule", "m")
    # A failed call is no wrong answer: the score has bounds.
    assert "28.57  2/7, 4 undecided (28.57 to 85.71)" in cli(*score)
    assert [row["verdict"] for row in rows_of(tmp_path / "v")][2] == "judge_error"

    server.breaks(False)
    before = server.asked()
    cli("extract", *stage, *ask, "--out", tmp_path / "e.jsonl")
    assert server.asked() == before + 3  # the three that failed; the empty replies are kept and not asked again
    assert "71.43  5/7, 1 undecided (71.43 to 85.71)" in cli(*score)

    server.process.kill()
    cli("extract", *stage, "--out", tmp_path / "offline.jsonl")
    online, offline = rows_of(tmp_path / "e.jsonl"), rows_of(tmp_path / "offline.jsonl")
    assert [row.get("extraction") for row in offline] == [row.get("extraction") for row in online]


def test_judge_asks_again_until_the_reply_is_0_or_1(server: Server, tmp_path: Path) -> None:
    extractions = ["12", "LATER SAY 1", "SAY 0", "SAY perhaps", None]
    write_rows(tmp_path / "q.jsonl", [{**VERSE, "sample_index": str(n)} for n in range(5)])
    rows = [{"id": str(n), "response": "x", "extraction": text} for n, text in enumerate(extractions)]
    write_rows(tmp_path / "r.jsonl", rows)
    files = ["--benchmark", "mathverse", "--questions", tmp_path / "q.jsonl", "--profile", "vlmevalkit"]
    cli("judge", *files, "--responses", tmp_path / "r.jsonl", "--out", tmp_path / "j.jsonl",
        "--cache", tmp_path / "c.jsonl", "--model", "m", "--endpoint", server.url)  # fmt: skip
    found = rows_of(tmp_path / "j.jsonl")
    assert [row.get("judgement") for row in found] == [None, "1", "0", None, None]
    assert "none of those that fit" in found[3]["judgement_error"]
    temperatures = [json.loads(line)[0] for line in server.log.read_text().splitlines() if "LATER" in line]
    assert temperatures == [0.0, 0.5, 1.0]
    cli("grade", *files, "--responses", tmp_path / "j.jsonl", "--out", tmp_path / "v.jsonl")
    verdicts = [row["verdict"] for row in rows_of(tmp_path / "v.jsonl")]
    assert verdicts == ["right", "right", "wrong", "judge_error", "judge_error"]


def test_the_official_layout_with_examples_of_the_users_own(server: Server, tmp_path: Path) -> None:
    write_rows(tmp_path / "q.jsonl", [{**VERSE, "sample_index": "1"}])
    write_rows(tmp_path / "r.jsonl", [{"id": "1", "response": "one two three SAY 12"}])
    (tmp_path / "shots.txt").write_text("EXAMPLES\n")
    extract_file(
        "mathverse", tmp_path / "r.jsonl", tmp_path / "q.jsonl", tmp_path / "e.jsonl", tmp_path / "c.jsonl",
        Asker("m", server.url), examples=tmp_path / "shots.txt", last_words=2,
    )  # fmt: skip
    prompt = json.loads(server.log.read_text().splitlines()[0])[1]
    assert prompt == "EXAMPLES\n\nModel response: 'SAY 12'\nExtracted Answer: "


def test_bad_wishes_are_named(tmp_path: Path) -> None:
    nothing = tmp_path / "none.jsonl"
    with pytest.raises(UserError, match="no cache of replies here and no --endpoint"):
        Llm(Asker("m"), nothing)
    with pytest.raises(UserError, match="mmmath: no profile reads"):
        extract_file("mmmath", nothing, nothing, nothing, nothing, Asker("m"))
    with pytest.raises(UserError, match="mathvista official: no judge replies"):
        judge_file("mathvista", "official", nothing, nothing, nothing, nothing, Asker("m"))
