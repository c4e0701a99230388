"""Processes that are killed once they have worked for so long, and disks that fill: for tests of jobs and commands."""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from waiting import wait_until


def used(disk: Path) -> int:
    """Bytes that are taken on a disk."""
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def resize(disk: Path, size: int | str) -> None:
    """Give a tmpfs another size, in bytes or as `mount` writes it."""
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


def cpu_until_end(process: "subprocess.Popen[str]") -> float:
    """The processor time of a process that ends by itself, looked at until then."""
    return _watched(process, lambda seconds: False)


def killed_after(process: "subprocess.Popen[str]", seconds: float) -> bool:
    """Kill a process and its children once it has had so much of the processor; whether that met it."""
    _watched(process, lambda used: used >= seconds)
    return killed(process)


def killed(process: "subprocess.Popen[str]") -> bool:
    """Kill a process and its children now; whether that met it."""
    children = []
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def _watched(process: "subprocess.Popen[str]", is_due: Callable[[float], bool]) -> float:
    """Look at a process until it ends or is due; says how much of the processor it had by then."""
    used = [0.0]

    def is_over() -> bool:
        if process.poll() is not None:
            return True
        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(process.pid).cpu_times()
            used.append(times.user + times.system)
        return is_due(used[-1])

    wait_until(is_over, "the end of a job", every_s=0.01)
    return used[-1]
