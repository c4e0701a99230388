"""One process holds a ledger: on a disk of this machine by the kernel, on one that several see by a signed file."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_until

from vr1repro.core import locks
from vr1repro.core.errors import UserError
from vr1repro.core.locks import Held, Lock, is_shared_disk

HOLD = """
import sys; from pathlib import Path; from vr1repro.core import locks
locks.is_shared_disk = lambda folder: sys.argv[2] == "shared"
with locks.Lock(Path(sys.argv[1]), "these rows"):
    print("held", flush=True)
    sys.stdin.read()
"""
DISKS = ("own", "shared")


def holder(path: Path, disk: str) -> "subprocess.Popen[str]":
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    monkeypatch.setattr(locks, "is_shared_disk", lambda folder: request.node.callspec.params["disk"] == "shared")
    return tmp_path / "ledger.jsonl"


@pytest.mark.parametrize("disk", DISKS)
def test_a_second_process_is_refused_and_told_host_and_process(ledger: Path, disk: str) -> None:
    first = holder(ledger, disk)
    try:
        with pytest.raises(Held, match=f"process {first.pid} on {platform.node()}, for 0 min") as refused:
            Lock(ledger, "these rows")
    finally:
        first.communicate()
    assert str(refused.value).startswith(f"{ledger}: another process is working on these rows (")
    assert (f"if it is gone for certain, remove {ledger}.lock" in str(refused.value)) == (disk == "shared")
    assert list(ledger.parent.iterdir()) == []  # it let go, and left nothing
    Lock(ledger, "these rows").close()


@pytest.mark.parametrize("disk", DISKS)
def test_what_a_killed_process_held_is_free(ledger: Path, disk: str) -> None:
    first = holder(ledger, disk)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert [path.name for path in ledger.parent.iterdir()] == ["ledger.jsonl.lock"]
    with Lock(ledger, "these rows"):
        assert [path.name for path in ledger.parent.iterdir()] == ["ledger.jsonl.lock"]
        with pytest.raises(Held, match=f"process {os.getpid()} on "):
            Lock(ledger, "these rows")
    assert list(ledger.parent.iterdir()) == []


@pytest.mark.parametrize("disk", DISKS)
def test_of_processes_that_begin_together_one_has_it(ledger: Path, disk: str) -> None:
    """Also where all find what a killed one left."""
    left = holder(ledger, disk)
    left.kill()
    left.wait()
    code = HOLD.replace("sys.stdin.read()", "print('done', flush=True); sys.stdin.read()")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(ledger), disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(6)
    ]  # fmt: skip
    try:
        wait_until(lambda: sum(racer.poll() is not None for racer in racers) >= 5, "five that are refused")
        (winner,) = (racer for racer in racers if racer.poll() is None)
        assert winner.communicate()[0] == "held\ndone\n"
        losers = [racer for racer in racers if racer is not winner]
        assert all("another process is working on these rows" in loser.communicate()[1] for loser in losers)
        assert {loser.returncode for loser in losers} == {1}
    finally:
        for racer in racers:
            racer.kill()


@pytest.mark.parametrize("disk", DISKS)
def test_a_patient_process_waits_for_its_turn(ledger: Path, disk: str) -> None:
    first = holder(ledger, disk)
    code = HOLD.replace('"these rows"', '"these rows", patience_s=600')
    second = subprocess.Popen(
        [sys.executable, "-c", code, str(ledger), disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    first.communicate()
    assert second.communicate()[0] == "held\n"
    assert (first.returncode, second.returncode) == (0, 0)


@pytest.mark.parametrize("disk", ["shared"])
@pytest.mark.parametrize(
    ("changed", "free"),
    [
        ({"pid": 2**22 + 1}, True),  # no process has such a number
        ({"started": 1}, True),  # the number is another process's by now
        ({}, False),
        ({"host": "another", "pid": 2**22 + 1}, False),  # nobody here can tell
    ],
)
def test_whose_lock_is_taken_over(ledger: Path, disk: str, changed: dict[str, Any], free: bool) -> None:
    place = ledger.with_name("ledger.jsonl.lock")
    with Lock(ledger, "these rows"):
        signed = json.loads(place.read_text())
    place.write_text(json.dumps(signed | changed))
    if free:
        Lock(ledger, "these rows").close()
        assert not place.exists()
    else:
        with pytest.raises(Held, match=f"on {changed.get('host', platform.node())}"):
            Lock(ledger, "these rows")
        assert json.loads(place.read_text()) == signed | changed


@pytest.mark.parametrize("disk", ["shared"])
def test_a_lock_that_says_nothing_is_held(ledger: Path, disk: str) -> None:
    ledger.with_name("ledger.jsonl.lock").write_text("[[[")
    with pytest.raises(Held, match=r"working on these rows; wait"):
        Lock(ledger, "these rows")


@pytest.mark.parametrize("disk", DISKS)
def test_a_planted_link_is_not_followed(ledger: Path, disk: str) -> None:
    victim = ledger.with_name("victim")
    victim.write_text("mine")
    ledger.with_name("ledger.jsonl.lock").symlink_to(victim)
    with pytest.raises(UserError, match=r"ledger\.jsonl"):
        Lock(ledger, "these rows")
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    ("kind", "shared"),
    [("ext4", False), ("xfs", False), ("tmpfs", False), ("nfs4", True), ("nfs", True), ("lustre", True),
     ("fuse.sshfs", True), ("beegfs", True), ("cifs", True)],
)  # fmt: skip
def test_disks_by_their_kind(kind: str, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 0:9999 / /elsewhere rw - nfs4 server:/x rw\n"
        f"36 35 {os.major(device)}:{os.minor(device)} / /mnt/a\\040b rw,noatime shared:1 - {kind} server:/y rw\n"
    )
    monkeypatch.setattr(locks, "_MOUNTS", mounts)
    assert is_shared_disk(tmp_path) == shared


def test_a_disk_without_flock_takes_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(handle: int, flags: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refused)
    assert is_shared_disk(tmp_path)
    with Lock(tmp_path / "ledger.jsonl", "these rows"), pytest.raises(Held, match=f"process {os.getpid()} on "):
        Lock(tmp_path / "ledger.jsonl", "these rows")
