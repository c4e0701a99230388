"""The process that jobs are forked from.

A job is a fork, so it has all that is imported and nothing else of it: no thread, no open file. Of this package it
keeps nothing either, so a job's own code is read from disk as ever. No job is forked whose environment differs from the
server's, for packages read theirs while they are imported; sizes of thread pools may (`_MAY_DIFFER`).

Snakemake counts memory and CPU of a job's children, where a forked job is not. Its log therefore ends with what the
kernel counted.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vr1repro.core.processes import end_with_parent
from vr1repro.engines.slim import import_trl
from vr1repro.jobs.warm.variables import ADDRESS, THREAD_POOLS

# What Snakemake and shells set for each job. Nothing reads it at import but thread pools: a job sets torch's itself,
# the others have one thread.
_MAY_DIFFER = {
    *THREAD_POOLS, ADDRESS, "VECLIB_MAXIMUM_THREADS", "TMPDIR", "TMP", "TEMP", "TEMPDIR", "PWD", "OLDPWD", "SHLVL", "_",
    "COLUMNS", "LINES",
}  # fmt: skip


@dataclass(frozen=True)
class _Job:
    pid: int
    client: socket.socket


class Server:
    """Forks jobs and waits for them, until the command is over and the last of them has ended."""

    def __init__(self, address: str, life: int, environment: dict[str, str]) -> None:
        """Listen.

        Args:
            address: Path of the socket.
            life: File descriptor that reads as ended once the command is over.
            environment: What this process started with.
        """
        self._environment = environment
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(address)
        self._listener.listen(64)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(life, selectors.EVENT_READ, lambda: self._close(life))
        self._open = True
        self._jobs: set[_Job] = set()

    def wait_for_job(self) -> dict[str, Any] | None:
        """Serve; returns a job's request in the process forked for it, and None in the server at the end."""
        while self._open or self._jobs:
            for key, _ in self._selector.select():
                request: dict[str, Any] | None = key.data()
                if request is not None:
                    return request
        return None

    def _close(self, life: int) -> None:
        self._open = False
        self._selector.unregister(life)
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> dict[str, Any] | None:
        client, _ = self._listener.accept()
        files: list[int] = []
        try:
            head, files, _, _ = socket.recv_fds(client, 8, 3)
            content = client.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
            request: dict[str, Any] = json.loads(content)
            if why := self._refusal(request):
                client.sendall(json.dumps({"refused": why}).encode())
                client.close()
                return None
            pid = os.fork()
            if not pid:
                self._become_job(client, files)
                return request
            self._watch(_Job(pid, client))
        except (OSError, ValueError):  # it was killed while it asked
            client.close()
        finally:
            for number in files:
                os.close(number)
        return None

    def _refusal(self, request: dict[str, Any]) -> str | None:
        """Why a job cannot be a fork of this process."""
        if request["prefix"] != sys.prefix:
            return f"it runs in {request['prefix']}"
        differences = request["environment"].items() ^ self._environment.items()
        other = sorted({name for name, _ in differences} - _MAY_DIFFER)
        return f"its environment differs in {', '.join(other)}" if other else None

    def _watch(self, job: _Job) -> None:
        with suppress(OSError):  # the job does it too, whoever comes first
            os.setpgid(job.pid, job.pid)
        handle = os.pidfd_open(job.pid)
        self._jobs.add(job)
        self._selector.register(handle, selectors.EVENT_READ, lambda: self._ended(job, handle))
        self._selector.register(job.client, selectors.EVENT_READ, lambda: self._told(job))

    def _told(self, job: _Job) -> None:
        """Hand a client's signals down; a client that is gone takes its job with it."""
        if job not in self._jobs:  # it has ended in the same turn
            return
        try:
            numbers = job.client.recv(64) or bytes([signal.SIGKILL])
        except OSError:
            numbers = bytes([signal.SIGKILL])
        if signal.SIGKILL in numbers:
            self._selector.unregister(job.client)
        for number in numbers:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, number)

    def _ended(self, job: _Job, handle: int) -> None:
        _, status, used = os.wait4(job.pid, 0)
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "cpu_s": round(used.ru_utime + used.ru_stime, 2),
            "peak_mb": used.ru_maxrss // 1024,
        }
        self._selector.unregister(handle)
        os.close(handle)
        if job.client in self._selector.get_map():
            self._selector.unregister(job.client)
            with suppress(OSError):  # its client has just gone
                job.client.sendall(json.dumps(answer).encode())
        job.client.close()
        self._jobs.discard(job)

    def _become_job(self, client: socket.socket, files: Sequence[int]) -> None:
        os.setpgid(0, 0)
        end_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, number in enumerate(files):
            os.dup2(number, target)
        self._selector.close()
        self._listener.close()
        for held in (client, *(job.client for job in self._jobs)):
            held.close()


def _adopt(request: dict[str, Any], set_by_imports: dict[str, str]) -> None:
    """Make this process what the job would be had it been started as usual."""
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"] | set_by_imports)
    tempfile.tempdir = None
    sys.argv, sys.orig_argv = request["arguments"], request["command"]
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - they stay open
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    for name in [name for name in sys.modules if name.partition(".")[0] == "vr1repro"]:
        del sys.modules[name]


def main() -> None:
    """Be the server, and in each fork a job."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = dict(os.environ)
    import_trl(vllm=False)
    gc.collect()
    gc.freeze()  # a job's collector need not look at what was imported, nor copy its pages
    set_by_imports = dict(os.environ.items() - began.items())
    request = Server(sys.argv[1], sys.stdin.fileno(), began).wait_for_job()
    if request is not None:
        _adopt(request, set_by_imports)
        importlib.import_module(request["program"]).main()


if __name__ == "__main__":
    main()
