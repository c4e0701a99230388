"""One head process a folder: a start is refused while another head or its jobs live; recovery after a killed one.

Jobs that a killed head left behind go on and are never taken up again. A new start would submit the same jobs while the
old ones write the same files, so both the start and the recovery ask the queue first. That a head lives is told by a
lock (`core.locks`): one for all heads on Slurm, and one for each local head, since those may work side by side.
"""

import atexit
import os
import platform
import shutil
import time
from pathlib import Path

from vr1repro.cluster import slurm
from vr1repro.core.errors import UserError
from vr1repro.core.locks import Held, Lock

STATE = Path(".snakemake")
_SLURM, _WHAT = "head-slurm", "this folder's workflow"
_SENT = "sent-to-slurm"  # in STATE: a head has sent jobs from here
_held: list[Lock] = []  # locks live as long as the process


@atexit.register
def _let_go() -> None:
    for lock in _held:
        lock.close()


def begin(folder: Path, on_slurm: bool) -> None:
    """Called by the workflow before its first job; holds this process's place until it ends.

    Args:
        folder: Where Snakemake runs.
        on_slurm: Whether jobs go to Slurm; a local run only notes that it lives.

    Raises:
        UserError: Another head submits jobs from this folder, or jobs of a dead one are in the queue.
    """
    try:
        lock = Lock(folder / STATE / (_SLURM if on_slurm else f"head-{platform.node()}-{os.getpid()}"), _WHAT)
    except Held as error:
        if not on_slurm:
            return  # a recovery looks at it just now
        raise UserError(
            f"{folder}: another snakemake submits jobs from this folder ({error.holder}); wait for it, stop it with"
            " Ctrl-C, or start this one in another clone"
        ) from None
    _held.append(lock)
    if not on_slurm:
        return
    (folder / STATE / _SENT).touch()
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
    locks: list[Lock] = []
    try:
        for path in _heads(folder):
            locks.append(Lock(path, _WHAT))  # the first keeps new heads away
        done = []
        jobs = _left_jobs(folder)
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
    except Held as error:
        raise UserError(
            f"{folder}: a snakemake is at work here ({error.holder}); stop it with Ctrl-C, which cancels its jobs"
        ) from None
    finally:
        for lock in locks:
            lock.close()


def _left_jobs(folder: Path) -> list[slurm.Job]:
    """Jobs in the queue. A machine may have Slurm's commands and no cluster; no head here sent jobs to one then."""
    if not slurm.installed():
        return []
    try:
        return slurm.jobs_of(folder)
    except UserError:
        if (folder / STATE / _SENT).exists():
            raise
        return []


def _heads(folder: Path) -> list[Path]:
    """What heads of a folder hold or have left: first that of heads on Slurm, then those of local ones."""
    if not (folder / STATE).is_dir():
        return []
    files = sorted((folder / STATE).glob("head-*.lock"))
    return [folder / STATE / _SLURM, *(path.with_suffix("") for path in files if path.stem != _SLURM)]


def _some(jobs: list[slurm.Job]) -> str:
    ids = ", ".join(job.id for job in jobs[:5]) + (", ..." if len(jobs) > 5 else "")
    return f"{len(jobs)} job{'s' if len(jobs) > 1 else ''} ({ids})"
