"""A job's side of a warm start. Imports next to nothing, for that is its point.

The waiting process passes its arguments, folder, environment and open files on, hands signals down, and ends as the
job ends. Whatever keeps the job from being forked (no server, another Python, another environment) starts it as usual.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vr1repro.jobs.warm.variables import ADDRESS

# Jobs that import torch; the others start faster by themselves.
HEAVY = {"lab-model", "bridge", "sft", "elsewhere", "rl", "evaluate", "extract", "judge", "lengths"}
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_warm(program: str, arguments: Sequence[str]) -> int | None:
    """Run a job in a fork of the server's process, and wait for its end.

    Args:
        program: Module whose `main` is the command line; the fork calls it.
        arguments: The command line behind the program's name.

    Returns:
        The job's exit code, negative for the signal that ended it; None: start it as usual.
    """
    address = os.environ.get(ADDRESS)
    if not address or arguments[:1] != ["stage"] or not HEAVY.intersection(arguments[1:2]):
        return None
    if "TORCHELASTIC_RUN_ID" in os.environ:  # torchrun counts on its workers being its children
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(address)
        except OSError:  # not there yet, or no more
            return None
        answer = _request(server, program, arguments)
    if answer is None:
        print("error: the process of vr1repro warm died, and this job with it; start the run again", file=sys.stderr)
        return 1
    if "refused" in answer:
        print(f"started without vr1repro warm: {answer['refused']}", file=sys.stderr)
        return None
    print(f"{answer['cpu_s']} s of CPU, {answer['peak_mb']} MB at most", file=sys.stderr)
    code: int = answer["code"]
    return code


def end_as(code: int) -> None:
    """End this process as the job ended: with its exit code, or by the signal that ended it."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def start_cold() -> None:
    """Begin a forked job anew in a Python of its own; nothing where it is in one already."""
    if os.environ.pop(ADDRESS, None) and "transformers" in sys.modules:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - this very program


def _request(server: socket.socket, program: str, arguments: Sequence[str]) -> dict[str, Any] | None:
    """The server's answer when the job is over, or that it is refused; None: the server is gone."""
    umask = os.umask(0)
    os.umask(umask)
    request = {
        "program": program,
        "arguments": ["vr1repro", *arguments],
        "command": sys.orig_argv,
        "folder": str(Path.cwd()),
        "environment": dict(os.environ),
        "umask": umask,
        "prefix": sys.prefix,
    }
    content = json.dumps(request).encode()
    answer = b""
    before = {}
    try:
        socket.send_fds(server, [len(content).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(content)
        for number in _FORWARDED:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, lambda number, frame: server.sendall(bytes([number])))
        while part := server.recv(4096):
            answer += part
    except OSError:
        return None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return json.loads(answer) if answer else None
