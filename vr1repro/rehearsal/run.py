"""Rehearse a preset: its own jobs, one after the other, each with the processes and the backend that it asks for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vr1repro.cluster.launcher import needs_torchrun
from vr1repro.config import loader
from vr1repro.config.lab import Lab
from vr1repro.config.plan import Plan
from vr1repro.config.run import Config
from vr1repro.config.training import Launch
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import MANIFEST
from vr1repro.rehearsal import inputs
from vr1repro.rehearsal.shrink import Change, changes, shrink


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job of the preset.

    Attributes:
        name: For the table.
        processes: CPU processes.
        torchrun: Whether torchrun starts them.
        arguments: Of `vr1repro stage`.
        closes: The file that says that it has ended well.
        log: Where its output goes, below the folder.
    """

    name: str
    processes: int
    torchrun: bool
    arguments: tuple[str, ...]
    closes: Path
    log: Path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job went.

    Attributes:
        job: It.
        seconds: Wall clock.
        error: The last lines of its log where it failed.
    """

    job: Job
    seconds: float
    error: str | None


def prepare(preset: Config, lab: Lab) -> tuple[Config, list[Change]]:
    """The small config and what differs.

    Raises:
        UserError: The preset is of the lab: it is small already.
    """
    if preset.lab is not None:
        raise UserError(f"{preset.run}: has a lab and runs on a laptop as it is: make micro, make smoke")
    small = shrink(preset, lab.model_dump(mode="json"))
    return small, changes(preset, small)


def arms_to_rehearse(config: Config) -> list[str]:
    """One arm for each distinct kind of training: its model's placement, what it starts from, its reward and prompt.

    Where several are of a kind, the one with the most stages, up to two of which are rehearsed.
    """
    kinds: dict[tuple[object, ...], str] = {}
    for name in config.run_arms:
        arm = config.arms[name]
        start = config.starts[arm.start]
        kind = (start.model, start.sft, arm.reward, arm.system_prompt is not None)
        if kind not in kinds or len(arm.stages) > len(config.arms[kinds[kind]].stages):
            kinds[kind] = name
    trained = [name for name in kinds.values() if config.arms[name].stages]
    models = {config.starts[config.arms[name].start].model for name in trained}
    return trained + [
        name
        for name in kinds.values()
        if name not in trained and config.starts[config.arms[name].start].model not in models
    ]


def jobs(config: Config, arms: Sequence[str], stage: int | None) -> Iterator[Job]:
    """The jobs of some arms in order: fine-tuning, up to two stages, evaluation; each once.

    Of what the preset takes as released, the evaluation alone.

    Args:
        config: The small config.
        arms: Keys of `arms`.
        stage: The last stage; None for the second, where an arm has as many.
    """
    plan, seen = Plan(config), set[Path]()
    for arm in arms:
        placed, chosen = config.of_arm(arm), config.arms[arm]
        released = arm in config.take_released
        last = 0 if released else min(len(chosen.stages), stage or 2)
        planned: list[Job] = []
        start_is_made = config.starts[chosen.start].sft is not None and chosen.start not in config.take_released
        if start_is_made and not released:
            out = Path(plan.sft_dir(chosen.start, 1))
            options: tuple[str, ...] = ("sft", "--start", chosen.start, "--seed", "1")
            planned.append(_job(f"SFT {chosen.start}", placed.sft.launch, options, out, out / MANIFEST))
        for number in range(1, last + 1):
            out = Path(plan.stage_dir(arm, number, 1))
            options = ("rl", "--arm", plan.stage_owner(arm, number), "--stage", str(number), "--seed", "1")
            planned.append(_job(f"{arm} stage {number}", placed.rl.launch, options, out, out / MANIFEST))
        slug = next(
            (
                checkpoint.slug
                for checkpoint in (*plan.progress_checkpoints(arm), *plan.final_checkpoints(arm))
                if released or (checkpoint.stage or 0) == last
            ),
            None,
        )
        if slug and placed.evaluation.engine.kind != "openai":
            out = Path(plan.root) / "eval" / slug
            options = ("evaluate", "--checkpoint", slug)
            planned.append(_job(f"evaluate {slug}", None, options, out, out / "responses.json"))
        for job in planned:
            if job.closes not in seen:
                seen.add(job.closes)
                yield job


def _job(name: str, launch: Launch | None, options: tuple[str, ...], out: Path, closes: Path) -> Job:
    return Job(
        name=name,
        processes=launch.nodes * launch.processes if launch else 1,
        torchrun=launch is not None and needs_torchrun(launch),
        arguments=(options[0], "--config", "config.yaml", *options[1:], "--out", str(out)),
        closes=closes,
        log=Path("logs") / f"{name.replace(' ', '-')}.log",
    )


def rehearse(
    config: Config, arms: Sequence[str], stage: int | None, folder: Path, limit_s: float, say: Callable[[str], None]
) -> list[Outcome]:
    """Run the jobs in a folder; the first that fails is the last.

    Args:
        config: The small config.
        arms: Keys of `arms`.
        stage: The last stage.
        folder: An empty folder.
        limit_s: A job that takes longer hangs.
        say: Takes a line for the user.

    Raises:
        UserError: The folder is not empty, or a model's shape is not known.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UserError(f"--out {folder}: is not empty; name a new folder")
    (folder / "logs").mkdir()
    loader.write_resolved(config, folder / "config.yaml")
    models = sorted({config.starts[config.arms[arm].start].model for arm in arms})
    before = Path.cwd()
    os.chdir(folder)  # results/ is relative, as in a run
    try:
        inputs.make(config, models, arms)
    finally:
        os.chdir(before)
    outcomes = []
    for job in jobs(config, arms, stage):
        started = time.perf_counter()
        error = _run(job, folder, limit_s)
        outcomes.append(Outcome(job=job, seconds=time.perf_counter() - started, error=error))
        say(f"{'failed' if error else 'ok':>6}  {outcomes[-1].seconds:6.0f} s  {job.processes} x  {job.name}")
        if error:
            break
    return outcomes


def _run(job: Job, folder: Path, limit_s: float) -> str | None:
    worker = ["-m", "vr1repro.rehearsal.worker", *job.arguments]
    command = [sys.executable, *worker]
    if job.torchrun:
        # `--`: else torchrun takes our options for abbreviations of its own.
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(job.processes)]
        command = [sys.executable, *torchrun, *worker[:1], "--", *worker[1:]]
    package = str(Path(__file__).parents[2])
    paths = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with (folder / job.log).open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code: int | None = process.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    text = (folder / job.log).read_text(encoding="utf-8", errors="replace")
    if code is None:
        return f"hangs: not at its end after {limit_s:.0f} s\n{text[-3000:]}"
    if code != 0 or not (folder / job.closes).exists():
        return f"exit code {code}\n{text[-6000:]}"
    return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End what is left of a job: torchrun's workers are of its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
