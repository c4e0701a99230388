"""Run a command with a server for warm starts beside it."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from vr1repro.jobs.warm.variables import ADDRESS, THREAD_POOLS


def run_beside(command: Sequence[str]) -> int:
    """Run a command with a server beside it, which ends with it.

    Args:
        command: Program and arguments. It finds the server's address in its environment.

    Returns:
        Its exit code, negative for the signal that ended it.

    Raises:
        OSError: There is no such program.
    """
    with tempfile.TemporaryDirectory(prefix="vr1repro-") as folder:
        address = str(Path(folder) / "warm")
        main = subprocess.Popen(list(command), env={**os.environ, ADDRESS: address})
        # A terminal sends Ctrl-C to the command too, which then ends in its own time.
        signal.signal(signal.SIGINT, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: main.send_signal(number))
        arguments = [sys.executable, "-P", "-m", "vr1repro.jobs.warm.server", address]
        # One thread a pool, for threads do not survive a fork. The pipe closes with this process, however it ends.
        pools = dict.fromkeys(THREAD_POOLS, "1")
        server = subprocess.Popen(arguments, stdin=subprocess.PIPE, env={**os.environ, **pools})
        try:
            return main.wait()
        finally:
            assert server.stdin is not None  # noqa: S101 - it is a pipe
            server.stdin.close()
            if not Path(address).exists():  # it still imports, for nobody
                server.terminate()
            server.wait()
