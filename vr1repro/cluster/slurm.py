"""Questions to Slurm, asked through its own commands."""

import getpass
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vr1repro.core.errors import UserError

# The executor plugin writes the rule into a job's comment; the name is the profile's prefix and a UUID.
_OURS = re.compile(r"^(rule|group)_")
NAME = "vr1repro_"


@dataclass(frozen=True)
class Job:
    """An unfinished job, as `squeue` shows it."""

    id: str
    state: str
    name: str
    comment: str


@dataclass(frozen=True, kw_only=True)
class Partition:
    """What one job may have in a partition. None where Slurm sets no limit."""

    name: str
    default: bool
    nodes: int
    cpus: int
    mem_mb: int
    gpus: int
    minutes: int | None


def installed() -> bool:
    """Whether squeue, sbatch, scontrol and scancel are on PATH."""
    return all(shutil.which(name) for name in ("squeue", "sbatch", "scontrol", "scancel"))


def ask(*words: str, timeout_s: float = 60) -> str:
    """Run a Slurm command and return its output.

    Raises:
        UserError: The command is not here, fails or does not answer in time.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout_s, check=False)
    except FileNotFoundError:
        raise UserError(f"{words[0]}: not found; this machine has no Slurm, or its commands are not on PATH") from None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{words[0]}: no answer within {timeout_s:.0f} s; is Slurm's controller up? (scontrol ping)"
        ) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise UserError(f"{words[0]}: {lines[-1]}")
    return done.stdout


def settings() -> dict[str, str]:
    """Slurm's configuration (`scontrol show config`).

    Raises:
        UserError: The controller does not answer.
    """
    pairs = (line.split("=", 1) for line in ask("scontrol", "show", "config", timeout_s=30).splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def jobs_of(folder: Path) -> list[Job]:
    """This user's unfinished jobs that Snakemake submitted from a folder.

    Raises:
        UserError: Slurm does not answer.
    """
    jobs = []
    here = os.path.realpath(folder)
    for row in ask("squeue", "-h", "-u", getpass.getuser(), "-o", "%i|%T|%j|%k|%Z").splitlines():
        head, _, where = row.rpartition("|")
        number, state, name, comment = head.split("|", 3)
        if os.path.realpath(where) == here and (name.startswith(NAME) or _OURS.match(comment)):
            jobs.append(Job(number, state, name, comment))
    return jobs


def cancel(jobs: list[Job]) -> None:
    """Cancel jobs, a hundred with each call of `scancel`.

    Raises:
        UserError: Slurm refuses or does not answer.
    """
    for first in range(0, len(jobs), 100):  # a command line has its limits
        ask("scancel", *(job.id for job in jobs[first : first + 100]))


def partitions() -> list[Partition]:
    """Every partition that is up, with the most that one of its nodes has.

    Raises:
        UserError: Slurm does not answer.
    """
    by_name: dict[str, Partition] = {}
    for row in ask("sinfo", "-h", "-a", "-o", "%R|%a|%D|%c|%m|%l|%G").splitlines():
        name, up, nodes, cpus, memory, limit, gres = row.split("|", 6)
        if up != "up":
            continue
        here = Partition(
            name=name,
            default=False,
            nodes=int(nodes),
            cpus=int(cpus.rstrip("+")),
            mem_mb=int(memory.rstrip("+")),
            gpus=_gpus(gres),
            minutes=_minutes(limit),
        )
        # A partition of unlike nodes has a row for each kind.
        known = by_name.get(name, here)
        more = 0 if known is here else known.nodes
        by_name[name] = Partition(
            name=name, default=False, nodes=here.nodes + more, cpus=max(known.cpus, here.cpus),
            mem_mb=max(known.mem_mb, here.mem_mb), gpus=max(known.gpus, here.gpus), minutes=here.minutes,
        )  # fmt: skip
    default = {row.strip().rstrip("*") for row in ask("sinfo", "-h", "-a", "-o", "%P").splitlines() if "*" in row}
    return [Partition(**{**vars(part), "default": part.name in default}) for part in by_name.values()]


def _gpus(gres: str) -> int:
    """GPUs of a node: `gpu:8`, `gpu:h100:8(S:0-1)`, several kinds with commas; `(null)` is none."""
    counts = re.findall(r"\bgpu(?::[A-Za-z][\w.-]*)?:(\d+)", gres)
    return sum(map(int, counts))


def _minutes(limit: str) -> int | None:
    """Minutes of a time limit: `infinite`, `3-00:00:00`, `12:00:00`, `30:00`."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit.strip())
    if match is None:
        return None
    days, hours, minutes, _ = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes
