"""Each stage of the smoke run, killed with -9 at random moments or on a disk that fills, ends in the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest
from smoke_workflow import Workflow
from waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(3600)]

KILLS = 2
SHARES = (0.0, 0.5)  # of what a stage writes, the room that the disk has


@dataclass(frozen=True)
class Stage:
    """A job of the smoke run.

    Attributes:
        words: Its command line after `stage`, without the config.
        out: What it writes to, below the run's root.
        made: Patterns of what is removed before it runs again, below `out`.
        same: Patterns of the files whose bytes must be the same.
    """

    words: str
    out: str
    made: tuple[str, ...] = ("*",)
    same: tuple[str, ...] = ("**/*",)


EVALUATED = "--checkpoint ci_s1 --benchmark mathverse"
STAGES = {
    "problems": Stage("problems --name rl", "problems/rl"),
    "lab-model": Stage("lab-model", "models/tiny"),
    "bridge": Stage("bridge --shard 0", "coldset/shards/0", same=("ledger.jsonl", "problems.jsonl", "drafts.jsonl")),
    "coldset": Stage(
        "coldset {root}/coldset/shards/0/drafts.jsonl {root}/coldset/shards/1/drafts.jsonl", "coldset",
        made=("*.*",), same=("*.*",),
    ),
    "sft": Stage("sft --start ci --seed 1", "train/ci/s1/sft"),
    "rl": Stage("rl --arm zero --stage 1 --seed 1", "train/zero/s1/stage1"),
    "evaluate": Stage(
        "evaluate --checkpoint ci_s1", "eval/ci_s1", made=("*/single/e?/[rt]*", "responses.json"),
        same=("*/single/e?/responses.jsonl",),
    ),
    "lengths": Stage("lengths --checkpoint ci_s1", "lengths/ci_s1", same=("*/responses.jsonl",)),
    "extract": Stage(
        f"extract {EVALUATED}", "eval/ci_s1/mathverse", made=("llm/extract*", "extracted.json", "*/e?/extractions*"),
        same=("llm/extract.jsonl", "*/e?/extractions.jsonl"),
    ),
    "judge": Stage(
        f"judge {EVALUATED}", "eval/ci_s1/mathverse", made=("llm/judge*", "judged.json", "*/e?/judgements"),
        same=("llm/judge.jsonl", "*/e?/judgements/*.jsonl"),
    ),
    "grade": Stage(
        f"grade {EVALUATED}", "eval/ci_s1/mathverse", made=("verdicts.json", "*/e?/verdicts"),
        same=("*/e?/verdicts/*.jsonl",),
    ),
    "tables": Stage("tables", "tables"),
    "figures": Stage("figures", "figures"),
}  # fmt: skip
# What holds times, hosts and commits, and what says which they were; rows that come in any order.
TELEMETRY = ("timing.jsonl", "telemetry.jsonl", "manifest.json", "content.sha256", "run.json", "planned.json",
             "provenance.json", "training_args.bin")  # fmt: skip
UNORDERED = ("extract.jsonl", "judge.jsonl", "ledger.jsonl", "problems.jsonl")


def wiped(workflow: Workflow, stage: Stage) -> None:
    """Remove what a job has made, as Snakemake does with the outputs of a failed one before the next start."""
    for pattern in stage.made:
        for path in (workflow.root / stage.out).glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def started(workflow: Workflow, stage: Stage) -> "subprocess.Popen[str]":
    words = stage.words.format(root=workflow.root.relative_to(workflow.folder)).split()
    out = str((workflow.root / stage.out).relative_to(workflow.folder))
    # What notes imports would meet the full disk before the job does.
    environment = {name: value for name, value in workflow.environment.items() if name != "VR1REPRO_NOTED_IMPORTS"}
    command = [sys.executable, "-m", "vr1repro", "stage", words[0], "--config", "results/smoke/config.yaml"]
    return subprocess.Popen(
        [*command, "--out", out, *words[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        cwd=workflow.folder, env=environment, start_new_session=True,
    )  # fmt: skip


def made_by(workflow: Workflow, stage: Stage) -> dict[str, bytes]:
    out = workflow.root / stage.out
    paths = sorted({path for pattern in stage.same for path in out.glob(pattern) if path.is_file()})
    paths = [path for path in paths if path.name not in TELEMETRY]
    assert paths, stage
    return {path.relative_to(out).as_posix(): _content(path) for path in paths}


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return b"\n".join(sorted(data.splitlines())) if path.name in UNORDERED else data


def used(disk: Path) -> int:
    """Bytes that are taken on a disk."""
    state = os.statvfs(disk)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, whose size the test may change."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("a disk that fills needs the right to mount a tmpfs (root)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Stage:
    return STAGES[request.param]


def test_killed_at_random_moments(smoke: Workflow, tmp_path: Path, stage: Stage) -> None:
    workflow = replace(smoke, folder=tmp_path / "run")
    shutil.copytree(smoke.folder, workflow.folder, symlinks=True)
    expected = made_by(workflow, stage)
    wiped(workflow, stage)
    whole = started(workflow, stage)
    seconds = _cpu_until_end(whole)
    assert whole.returncode == 0, whole.stderr and whole.stderr.read()[-3000:]
    assert made_by(workflow, stage) == expected  # what is done again is the same anyway

    draw = random.Random(stage.words)
    wiped(workflow, stage)
    killed = 0
    for _ in range(KILLS):
        moment = draw.uniform(0.3, 0.95) * seconds
        killed += _killed_after(started(workflow, stage), moment)
    last = started(workflow, stage)
    _, errors = last.communicate()
    assert last.returncode == 0, errors[-3000:]
    assert made_by(workflow, stage) == expected
    assert killed > 0
    print(f"\n{stage.words}: {killed} of {KILLS} kills met it, {seconds:.1f} s of work")


def _cpu_until_end(process: "subprocess.Popen[str]") -> float:
    """The processor time of a process that ends by itself, looked at until then."""
    return _watched(process, lambda seconds: False)


def _killed_after(process: "subprocess.Popen[str]", seconds: float) -> bool:
    """Kill a process and its children once it has had so much of the processor; whether that met it."""
    children = []

    def is_due(used: float) -> bool:
        if used >= seconds:
            with suppress(psutil.NoSuchProcess):
                children.extend(psutil.Process(process.pid).children(recursive=True))
        return used >= seconds

    _watched(process, is_due)
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


def test_a_disk_that_fills(smoke: Workflow, disk: Path, stage: Stage) -> None:
    workflow = replace(smoke, folder=disk / "run")
    shutil.copytree(smoke.folder, workflow.folder, symlinks=True)
    expected = made_by(workflow, stage)
    before = used(disk)
    wiped(workflow, stage)
    written = before - used(disk)
    for share in SHARES:
        wiped(workflow, stage)
        room = used(disk) + int(share * written)
        subprocess.run(["mount", "-o", f"remount,size={room}", disk], check=True)
        full = started(workflow, stage)
        _, errors = full.communicate()
        subprocess.run(["mount", "-o", "remount,size=4g", disk], check=True)
        assert full.returncode == 2, errors[-3000:]
        assert "Traceback" not in errors
        assert "cannot be written" in errors
        assert not list((workflow.root / stage.out).glob("*.partial"))
    last = started(workflow, stage)
    _, errors = last.communicate()
    assert last.returncode == 0, errors[-3000:]
    assert made_by(workflow, stage) == expected
