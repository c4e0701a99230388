"""One head process a folder: a start is refused while another head or its jobs live; recovery after a killed one.

Jobs that a killed head left behind go on and are never taken up again. A new start would submit the same jobs while the
old ones write the same files, so both the start and the recovery ask the queue first. That a head lives is told by a
lock that the kernel drops with the process, whatever killed it.
"""

import fcntl
import os
import platform
import shutil
import time
from pathlib import Path
from typing import IO

from vr1repro.cluster import slurm
from vr1repro.core.errors import UserError

STATE = Path(".snakemake")
_held: list[IO[str]] = []  # locks live as long as the process


def begin(folder: Path, on_slurm: bool) -> None:
    """Called by the workflow before its first job; holds this process's place until it ends.

    Args:
        folder: Where Snakemake runs.
        on_slurm: Whether jobs go to Slurm; a local run only notes that it lives.

    Raises:
        UserError: Another head submits jobs from this folder, or jobs of a dead one are in the queue.
    """
    if not on_slurm:
        if lock := _lock(folder, "local", shared=True):
            _held.append(lock)
        return
    lock = _lock(folder, "slurm")
    if lock is None:
        raise UserError(
            f"{folder}: another snakemake submits jobs from this folder ({_who(folder)}); wait for it, stop it with"
            " Ctrl-C, or start this one in another clone"
        )
    _sign(lock)
    _held.append(lock)
    if jobs := slurm.jobs_of(folder):
        raise UserError(
            f"{folder}: {_some(jobs)} of an earlier start are in the queue and would write the same files as new ones;"
            " `vr1repro recover` cancels them, then start again"
        )


def recover(folder: Path, patience_s: float = 180) -> list[str]:
    """Cancel a dead head's jobs, wait until they are gone, and unlock the folder.

    Returns:
        What was done, a line each.

    Raises:
        UserError: A head still lives, or the jobs do not go.
    """
    locks = [_lock(folder, kind) for kind in ("slurm", "local")] if (folder / STATE).is_dir() else []
    if None in locks:
        raise UserError(
            f"{folder}: a snakemake is at work here ({_who(folder)}); stop it with Ctrl-C, which cancels its jobs"
        )
    try:
        done = []
        jobs = slurm.jobs_of(folder) if slurm.installed() else []
        if jobs:
            slurm.cancel(jobs)
            done.append(f"cancelled {_some(jobs)}")
            began = time.monotonic()
            while left := slurm.jobs_of(folder):
                if time.monotonic() - began > patience_s:
                    raise UserError(
                        f"{_some(left)} did not end within {patience_s:.0f} s; see `squeue --me`, then again"
                    )
                time.sleep(1)
        held = folder / STATE / "locks"
        if held.is_dir() and any(held.iterdir()):
            shutil.rmtree(held)  # what `snakemake --unlock` does, without reading a workflow
            done.append("unlocked the folder")
        return done or ["nothing to recover: no job in the queue, no lock"]
    finally:
        for lock in locks:
            if lock is not None:
                lock.close()


def _lock(folder: Path, kind: str, shared: bool = False) -> IO[str] | None:
    """Take a folder's place for one head on Slurm or, shared, for local heads; None where it is taken."""
    (folder / STATE).mkdir(exist_ok=True)
    stream = (folder / STATE / f"head-{kind}").open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        return None
    return stream


def _sign(lock: IO[str]) -> None:
    """Write who holds the place, for the message to others."""
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {platform.node()} since {time.strftime('%Y-%m-%d %H:%M')}")
    lock.flush()


def _who(folder: Path) -> str:
    signatures = [path.read_text(encoding="utf-8") for path in sorted((folder / STATE).glob("head-*"))]
    return next((text for text in signatures if text), "it has not said who it is")


def _some(jobs: list[slurm.Job]) -> str:
    ids = ", ".join(job.id for job in jobs[:5]) + (", ..." if len(jobs) > 5 else "")
    return f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} ({ids})"
