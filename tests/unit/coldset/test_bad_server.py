"""A server that misbehaves, a client that is killed: nothing is lost, nothing asked twice, the set is the same."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from waiting import PATIENCE_S, wait_until

HERE = Path(__file__).resolve().parent
CANARY = "sk-canary-8841"
KILLS = 10


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def server(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path / "server.jsonl"
    process = subprocess.Popen([sys.executable, str(HERE / "bad_server.py"), str(port), str(log)])
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(f"{url}/v1/models"), "the server", every_s=0.1)
    yield url, log
    process.kill()
    process.wait()


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=PATIENCE_S)  # noqa: S310 - our own server
    except OSError:
        return None


def mark(url, name, faults=1):
    request = urllib.request.Request(f"{url}/mark?name={name}&faults={faults}", method="POST")  # noqa: S310
    urllib.request.urlopen(request, timeout=PATIENCE_S)  # noqa: S310


def client(url, out, count):
    out.mkdir(parents=True, exist_ok=True)
    log = (out / "client.log").open("a")
    command = [sys.executable, str(HERE / "bridge_client.py"), f"{url}/v1", str(out), str(count)]
    environment = {**os.environ, "OPENAI_API_KEY": CANARY}
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)


def size(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_at(url, out, problems, count):
    """Run the client until its ledger holds so many answers, then kill it with -9; False if it ended before."""
    process = client(url, out, problems)
    ledger = out / "shard" / "ledger.jsonl"
    wait_until(lambda: size(ledger) >= count or process.poll() is not None, f"{count} answers", every_s=0.005)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def check(server, tmp_path, count):
    url, log = server
    mark(url, "calm", faults=0)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    calm = client(url, whole, count)
    assert calm.wait() == 0, (whole / "client.log").read_text()
    mark(url, "storm")
    known = []
    for number in range(1, KILLS + 1):
        assert kill_at(url, cut, count, number * 3 * count // (KILLS + 1))
        # A last line that the kill tore in two is no answer.
        held = (cut / "shard" / "ledger.jsonl").read_bytes().rpartition(b"\n")[0].splitlines()
        known.append({(int(row["request_sha"][:8], 16) ^ 1, row["step"]) for row in map(json.loads, held)})
        mark(url, f"killed{number}")
    last = client(url, cut, count)
    assert last.wait() == 0, (cut / "client.log").read_text()[-3000:]

    for name in ("shard/drafts.jsonl", "set/coldset.parquet", "set/traces.jsonl", "set/yield.json", "set/README.md"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert b"poison" not in (cut / "shard" / "ledger.jsonl").read_bytes()

    rows = lines(log)
    start = next(n for n, row in enumerate(rows) if row.get("mark") == "storm")
    answered, good, faults = set(), Counter(), Counter()
    for row in rows[start + 1 :]:
        if "mark" in row:
            answered = known[int(row["mark"].removeprefix("killed")) - 1]
            continue
        request = (row["seed"], row["step"])
        assert request not in answered, "a request whose reply is in the ledger was sent again"
        good[request] += row["what"] == "good"
        faults[row["what"]] += 1
    assert len(good) == 3 * count
    assert all(good.values())
    extras = good.total() - len(good)
    found = json.loads((cut / "found.json").read_text())
    # A reply that came too late for the client's own limit is asked for again too; hangs are no such replies.
    late = max(0, found["failed"].get("timeout", 0) - faults["hang"])
    assert extras <= found["lost"] + late
    assert found["lost"] <= KILLS * 48
    if count >= 300:
        assert {"storm", "status_500", "cut", "cut_headers", "half_json", "no_choices", "wrong_model", "malformed",
                "duplicate_id", "no_json"} <= set(faults)  # fmt: skip
    everything = b"".join(path.read_bytes() for path in cut.rglob("*") if path.is_file())
    assert CANARY.encode() not in everything
    print(f"{count} problems, {KILLS} kills: arrivals {dict(faults)}, extras {extras}, lost in flight {found['lost']}")
    return {"problems": count, "kills": KILLS, "arrivals": dict(faults), "extras": extras, "lost": found["lost"]}


@pytest.mark.slow
def test_ten_kills_change_nothing(server, tmp_path):
    check(server, tmp_path, 120)


@pytest.mark.verify
@pytest.mark.timeout(3600)
def test_ten_kills_change_nothing_at_5000_problems(server, tmp_path, reference_file):
    from vr1repro.core.provenance import made

    found = check(server, tmp_path, 5000)
    record = reference_file("results/reference/verify/coldset-kills.json")
    record.write_text(json.dumps({**found, "made": made()}, indent=2, sort_keys=True) + "\n")


def test_a_second_process_on_a_shard_is_refused(tmp_path):
    from vr1repro.coldset.ledger import Ledger

    code = "import sys; from pathlib import Path; from vr1repro.coldset.ledger import Ledger; Ledger(Path(sys.argv[1]))"
    with Ledger(tmp_path / "ledger.jsonl"):
        command = [sys.executable, "-c", code, str(tmp_path / "ledger.jsonl")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "another process is working on this shard" in done.stderr
