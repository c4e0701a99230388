"""A soak: `vr1repro evaluate` asks a server that misbehaves in every known way, and is killed with -9 ten times.

    python bench/soak.py --out results/verify/soak [--record results/reference/verify]

By the server's own count: no request whose reply had arrived whole before a kill is asked again; what was in flight at
a kill, at most `concurrency` requests, is marked "sent, not answered", counted and asked once more. The client's memory
is looked at all the time. Started again after it was stopped, the soak goes on where it was; what stopped it stopped
its client too, and counts as one kill more.
"""

import argparse
import asyncio
import gzip
import hashlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
from aiohttp import web

from vr1repro.core.files import write_atomically, write_csv
from vr1repro.core.processes import end_with_parent
from vr1repro.core.provenance import made
from vr1repro.engines.base import request_seed

REPO = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPO / "tests" / "unit" / "coldset"), str(REPO / "tests")]
from bad_server import Server  # noqa: E402 - the server of the cold-start tests, whose faults come first
from waiting import wait_until  # noqa: E402

SEEDS, CONCURRENCY = 8, 16
GOOD = "soak-good"  # in the text of a whole and good reply alone
ENGINE = {"model": "m", "concurrency": CONCURRENCY, "start_concurrency": CONCURRENCY, "retries": 30, "timeout_s": 5,
          "max_backoff_s": 0.1, "max_reply_bytes": 200_000}  # fmt: skip
# What one in twenty requests meets first, beside the faults of `Server`.
FURTHER = ("redirect", "too_large", "bomb", "trickle", "latin_1", "null")
# What stands beside the text of one good reply in four, and must not cost it.
BESIDE = ({"usage": {"completion_tokens": "12"}}, {"usage": [1]}, {"usage": {"completion_tokens": -7}},
          {"junk": "DEEP"}, {"junk": "DIGITS"}, {"finish": "tool_calls"}, {"finish": None}, {"id": [1]})  # fmt: skip
_DEEP, _DIGITS = "[" * 5000 + "]" * 5000, "9" * 5000
_name: ContextVar[str] = ContextVar("name")


class SoakServer(Server):  # type: ignore[misc]
    """The server of the cold-start tests with more faults; it logs each request's hash and seed."""

    def note(self, body: dict[str, Any], what: str) -> None:
        """Log an arrival."""
        self.what = what
        row = {"name": _name.get(), "seed": body["seed"], "question": _question(body), "what": what}
        self.log.write(json.dumps(row) + "\n")

    def plan(self, key: str) -> list[str]:
        """The faults of a request; replies have no ids that a later process of the client could know again."""
        return ["no_choices" if kind == "duplicate_id" else kind for kind in super().plan(key)]

    async def post(self, request: web.Request) -> web.StreamResponse:
        """A reply, or none."""
        raw = await request.read()
        name = hashlib.sha256(raw).hexdigest()
        _name.set(name)
        digest = hashlib.sha256(b"further" + raw).digest()
        if digest[0] % 20 == 0 and name not in self.arrivals:
            self.arrivals[name] = 0
            return await self._further(request, json.loads(raw), FURTHER[digest[1] % len(FURTHER)])
        response = await super().post(request)
        if self.what == "good" and isinstance(response, web.Response):
            return self._good(json.loads(raw), response, digest)
        return response  # type: ignore[no-any-return]

    async def _further(self, request: web.Request, body: dict[str, Any], fault: str) -> web.StreamResponse:
        self.note(body, fault)
        if fault == "redirect":
            return web.Response(status=307, headers={"Location": "/v1/elsewhere"})
        if fault == "too_large":
            return web.Response(body=b" " * 400_000)
        if fault == "bomb":
            return web.Response(body=gzip.compress(b" " * 50_000_000, 1), headers={"Content-Encoding": "gzip"})
        if fault == "trickle":
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            for _ in range(4):
                with suppress(ConnectionError):  # the client may have been killed
                    await response.write(b" ")
                await asyncio.sleep(0.05)
            if request.transport is not None:
                request.transport.close()
            return response
        return web.Response(body=b"null" if fault == "null" else '{"choices": "\u00e9"}'.encode("latin-1"))

    def _good(self, body: dict[str, Any], response: web.Response, digest: bytes) -> web.Response:
        """The answer, with what may stand beside it."""
        reply = json.loads(response.body or b"")  # type: ignore[arg-type]
        choice = reply["choices"][0]
        choice["message"] = {"role": "assistant", "content": f"{GOOD} \\boxed{{{int(_question(body)) + 1}}}"}
        if digest[2] % 4 == 0:
            beside: dict[str, Any] = dict(BESIDE[digest[3] % len(BESIDE)])
            if "finish" in beside:
                choice["finish_reason"] = beside.pop("finish")
            reply |= beside
        data = json.dumps(reply).replace('"DEEP"', _DEEP).replace('"DIGITS"', _DIGITS).encode()
        packed = digest[4] % 5 == 0
        headers = {"Content-Encoding": "gzip"} if packed else {}
        return web.Response(body=gzip.compress(data) if packed else data, headers=headers)


def _question(body: dict[str, Any]) -> str:
    (number,) = re.findall(r"What is (\d+)\+1\?", body["messages"][-1]["content"][-1]["text"])
    return str(number)


def serve(port: int, log: Path) -> None:
    """Serve until killed."""
    server = SoakServer(log)
    app = web.Application(client_max_size=2**26)
    app.add_routes([web.post("/v1/chat/completions", server.post), web.post("/v1/elsewhere", server.post),
                    web.get("/v1/models", server.models), web.post("/mark", server.mark)])  # fmt: skip
    web.run_app(app, host="127.0.0.1", port=port, print=None)


Key = tuple[int, str]  # a request's seed and question; seeds alone may be equal


@dataclass
class Kill:
    """What was on disk when the client had been killed.

    Attributes:
        arrived: Requests whose good reply had arrived whole: rows, and replies in the journal.
        flying: Names of requests that were sent and had neither reply nor failure.
        before: How many such the journal had counted at earlier kills.
    """

    arrived: set[Key] = field(default_factory=set)
    flying: list[str] = field(default_factory=list)
    before: int = 0


class Soak:
    """The soak in a folder.

    Args:
        out: The folder.
        count: Requests; a multiple of the evaluation seeds.
        kills: How often the client is killed.
    """

    def __init__(self, out: Path, count: int, kills: int) -> None:
        self.out, self.questions, self.kills = out, count // SEEDS, kills
        self.folder = out / "evaluated" / "served"
        self.log, self.state, self.memory = out / "server.jsonl", out / "state.json", out / "memory.jsonl"
        self.running = out / "running"  # as long as a client may run
        self._rows: dict[Path, tuple[int, int]] = {}

    def run(self) -> dict[str, Any]:
        """Ask, kill and count; what an earlier start did is not done again."""
        self.out.mkdir(parents=True, exist_ok=True)
        self._write_questions()
        done: list[dict[str, Any]] = json.loads(self.state.read_text()) if self.state.exists() else []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen([sys.executable, __file__, "--serve", str(port), "--out", str(self.log)])
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: _answers(f"{url}/v1/models"), "the server", every_s=0.1)
            if self.running.exists():
                self._note_kill(url, done)
            for number in range(1, self.kills + 1):
                rows = number * SEEDS * self.questions // (self.kills + 1)
                if self._kept() < rows:
                    self._kill_at(url, rows, len(done) + 1)
                    self._note_kill(url, done)
            process = self._client(url, len(done) + 1)
            while process.poll() is None:
                self._look(process, len(done) + 1)
            self.running.unlink()
            if process.returncode:
                sys.exit(f"the client failed: {(self.out / 'client.log').read_text()[-3000:]}")
        finally:
            server.kill()
            server.wait()
        return self._check(
            [
                Kill({(seed, question) for seed, question in one["arrived"]}, one["flying"], one["before"])
                for one in done
            ]
        )

    def _write_questions(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from PIL import Image

        picture = BytesIO()
        Image.new("RGB", (30, 20), "red").save(picture, "PNG")
        image = {"bytes": picture.getvalue(), "path": None}
        rows = [
            {"id": str(number), "question": f"What is {number}+1?", "options": [], "answer": str(number + 1),
             "level": 1, "subject": "algebra", "image": image}
            for number in range(self.questions)
        ]  # fmt: skip
        if not (self.out / "test.parquet").exists():
            pq.write_table(pa.Table.from_pylist(rows), self.out / "test.parquet")

    def _note_kill(self, url: str, done: list[dict[str, Any]]) -> None:
        killed = self._on_disk()
        done.append({"arrived": sorted(killed.arrived), "flying": killed.flying, "before": killed.before})
        write_atomically(self.state, json.dumps(done))
        self._mark(url, f"killed{len(done)}")
        self.running.unlink()

    def _client(self, url: str, number: int) -> "subprocess.Popen[bytes]":
        self.running.touch()
        log = (self.out / "client.log").open("a")
        log.write(f"--- number {number}\n")
        log.flush()
        # The address is part of no hash, so that a server at another port goes on with the same requests.
        words = ["evaluate", "--model", f"{url}/v1", "--benchmarks", "mathvision", "--name", "served", "--seeds",
                 str(SEEDS), "--data", f"mathvision={self.out / 'test.parquet'}", "--out", str(self.out / "evaluated"),
                 "--engine-options", json.dumps(ENGINE)]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "vr1repro", *words], stdout=log, stderr=log, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(REPO)}, preexec_fn=partial(end_with_parent, signal.SIGKILL),
        )  # fmt: skip

    def _kill_at(self, url: str, rows: int, number: int) -> None:
        """Run the client until so many rows are kept, and kill it."""
        process = self._client(url, number)
        while self._kept() < rows:
            self._look(process, number)
            if process.poll() is not None:
                sys.exit(f"the client ended before kill {number}: {(self.out / 'client.log').read_text()[-3000:]}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _look(self, process: "subprocess.Popen[bytes]", number: int) -> None:
        """Note the client's memory, and wait a little for its end."""
        try:
            watched = psutil.Process(process.pid)
            rss = watched.memory_info().rss
            psutil.wait_procs([watched], timeout=0.5)
        except psutil.NoSuchProcess:
            process.wait()
            return
        row = {"process": number, "at": round(time.time(), 1), "rows": self._kept(), "rss_mb": round(rss / 1e6, 1)}
        with self.memory.open("a") as stream:
            stream.write(json.dumps(row) + "\n")

    def _kept(self) -> int:
        """Rows of all ledgers, of which only what is new is read."""
        for path in self.folder.glob("mathvision/single/e*/responses.jsonl"):
            size, rows = self._rows.get(path, (0, 0))
            with path.open("rb") as stream:
                if stream.seek(0, os.SEEK_END) < size:
                    size = rows = 0
                stream.seek(size)
                data = stream.read()
            self._rows[path] = size + len(data), rows + data.count(b"\n")
        return sum(rows for _, rows in self._rows.values())

    def _on_disk(self) -> Kill:
        found = Kill()
        for path in self.folder.glob("mathvision/single/e*/responses.jsonl"):
            for row in _whole_rows(path):
                found.arrived.add((request_seed(row["eval_seed"], "mathvision", row["id"], 0), row["id"]))
        key_of = {row["name"]: _key(row) for row in _whole_rows(self.log) if "name" in row}
        flying: dict[tuple[str, int], None] = {}
        for path in self.folder.glob("replies-*.jsonl"):
            for row in _whole_rows(path):
                request = (row.get("request", ""), row.get("attempt", 0))
                if row["what"] == "sent":
                    flying[request] = None
                    continue
                flying.pop(request, None)
                found.before += row["what"] == "unanswered"
                if row["what"] == "reply" and GOOD in row.get("body", ""):
                    found.arrived.add(key_of[request[0]])
        found.flying = [name for name, _ in flying]
        return found

    def _mark(self, url: str, name: str) -> None:
        request = urllib.request.Request(f"{url}/mark?name={name}", method="POST")  # noqa: S310 - our own server
        urllib.request.urlopen(request, timeout=60)  # noqa: S310

    def _check(self, kills: list[Kill]) -> dict[str, Any]:
        """Compare what was on disk at the kills with the server's log."""
        rows = [row for path in self.folder.glob("mathvision/single/e*/responses.jsonl") for row in _whole_rows(path)]
        keys = Counter((row["eval_seed"], row["id"]) for row in rows)
        assert len(keys) == len(rows) == SEEDS * self.questions, "a request has no row, or two"
        assert all(row["response"] == f"{GOOD} \\boxed{{{int(row['id']) + 1}}}" for row in rows), "a text is lost"
        epoch, arrivals, good, after = 0, Counter[str](), Counter[Key](), Counter[tuple[Key, int]]()
        key_of: dict[str, Key] = {}
        for row in _whole_rows(self.log):
            if "mark" in row:
                epoch = int(row["mark"].removeprefix("killed"))
                continue
            key = key_of[row["name"]] = _key(row)
            arrivals[row["what"]] += 1
            good[key] += row["what"] == "good"
            after[key, epoch] += 1
        again = [
            key
            for number, kill in enumerate(kills, 1)
            for key in kill.arrived
            if any(after[key, later] for later in range(number, len(kills) + 1))
        ]
        assert not again, f"{len(again)} requests were asked again whose reply had arrived whole"
        for number, kill in enumerate(kills, 1):
            assert len(kill.flying) <= CONCURRENCY, f"kill {number}: {len(kill.flying)} in flight"
            # Asked once more: but where the reply before the last try was a fault, or had been good and not read.
            lost = {key_of[name] for name in kill.flying if name in key_of} - kill.arrived
            unasked = [key for key in lost if not any(after[key, later] for later in range(number, len(kills) + 1))]
            assert not unasked, f"kill {number}: {len(unasked)} requests in flight were never asked again"
        starts = (self.out / "client.log").read_text().split("--- number ")[2:]  # those after a kill
        for number, (kill, start) in enumerate(zip(kills, starts, strict=True), 1):
            told = re.search(r": (\d+) requests were sent and not answered before a kill", start)
            counted = int(told[1]) if told else 0
            assert counted == kill.before + len(kill.flying), f"kill {number}: the client counted {counted}"
        flying = Counter(key_of[name] for kill in kills for name in kill.flying if name in key_of)
        twice = {key: count for key, count in good.items() if count > 1}
        assert all(count <= 1 + flying[key] for key, count in twice.items()), "asked more often than once more a kill"
        memory = _whole_rows(self.memory)
        return {
            "requests": len(rows), "kills": len(kills), "concurrency": CONCURRENCY, "arrivals": dict(arrivals),
            "asked_again_after_a_whole_reply": len(again), "in_flight_at_each_kill": [len(k.flying) for k in kills],
            "sent_not_answered": sum(len(kill.flying) for kill in kills),
            "good_replies_beyond_one_a_request": sum(count - 1 for count in twice.values()),
            "memory": _flatness(memory, len(rows)), "made": made(),
        }  # fmt: skip


def _flatness(memory: list[dict[str, Any]], total: int) -> dict[str, float]:
    """Medians of the clients' memory while they ask, in the second and the last quarter of each one's time.

    A client's start, and the grading at the end, are none of it.
    """
    second, last = [], []
    for number in {row["process"] for row in memory}:
        asking = [row["rss_mb"] for row in memory if row["process"] == number and row["rows"] < total]
        quarter = len(asking) // 4
        second += asking[quarter : 2 * quarter]
        last += asking[-quarter:] if quarter else []
    return {
        "second_quarter_mb": statistics.median(second),
        "last_quarter_mb": statistics.median(last),
        "most_mb_asking": max(row["rss_mb"] for row in memory if row["rows"] < total),
        "most_mb": max(row["rss_mb"] for row in memory),
    }


def _key(row: dict[str, Any]) -> Key:
    return row["seed"], row["question"]


def _whole_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file but a last one that a kill tore."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=60)  # noqa: S310 - our own server
    except OSError:
        return False
    return True


def main() -> None:
    """Soak, count, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="Folder of the soak; started again it goes on.")
    parser.add_argument("--record", type=Path, help="Folder to write soak.json and soak-memory.csv into.")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.out)
        return
    began = time.monotonic()
    soak = Soak(options.out.resolve(), options.requests, options.kills)
    found = {**soak.run(), "seconds": round(time.monotonic() - began)}
    print(json.dumps({name: value for name, value in found.items() if name != "made"}, indent=1))
    if options.record:
        write_atomically(options.record / "soak.json", json.dumps(found, indent=2, sort_keys=True) + "\n")
        memory = _whole_rows(soak.memory)
        rows = [{**row, "at": round(row["at"] - memory[0]["at"], 1)} for row in memory]
        write_csv(options.record / "soak-memory.csv", ["process", "at", "rows", "rss_mb"], rows)


if __name__ == "__main__":
    main()
