"""Each stage of the smoke run, and a hand-over to another engine, killed with -9 at random moments or on a disk that
fills, ends in the same bytes.
"""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from killing import cpu_until_end, killed_after, resize, used
from smoke_workflow import Workflow

pytestmark = [pytest.mark.slow, pytest.mark.verify, pytest.mark.timeout(3600)]

KILLS = 2
SHARES = (0.0, 0.5)  # of what a stage writes, the room that the disk has


@dataclass(frozen=True)
class Stage:
    """A job of the smoke run, or a command on what it made.

    Attributes:
        words: Its command line; {root} stands for the run's folder. `--out` is added.
        out: What it writes to, below the run's root.
        made: Patterns of what is removed before it runs again, below `out`; none where `out` itself must not be there.
        same: Patterns of the files whose bytes must be the same.
    """

    words: str
    out: str
    made: tuple[str, ...] = ("*",)
    same: tuple[str, ...] = ("**/*",)


EVALUATED = "--checkpoint ci_s1 --benchmark mathverse"
JOBS = {
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
# A fine-tuning handed to LLaMA-Factory and taken back, in the order in which each needs the one before.
HANDED = {
    "export": Stage(
        "export --engine llama-factory --config {root}/handed/config.yaml --arm returned --stage 0", "handed/again",
        made=(), same=("data.parquet", "dataset_info.json", "reward.py", "counterparts.json"),
    ),
    "adopt": Stage(
        "adopt {root}/handed/export/checkpoints --engine llama-factory --for returned --stage 0", "handed/model",
        made=(),
    ),
    "elsewhere": Stage(
        "stage elsewhere --config {root}/handed/config.yaml --start returned --seed 1", "train/returned/s1/sft"
    ),
    "transformers4": Stage("export --model {root}/train/ci/s1/sft/final --transformers 4", "handed/readable", made=()),
}  # fmt: skip
STAGES = {
    name: replace(job, words=f"stage {job.words} --config {{root}}/config.yaml") for name, job in JOBS.items()
} | HANDED
# What holds times, hosts and commits, and what says which they were; rows that come in any order.
TELEMETRY = ("timing.jsonl", "telemetry.jsonl", "manifest.json", "content.sha256", "run.json", "planned.json",
             "provenance.json", "training_args.bin")  # fmt: skip
UNORDERED = ("extract.jsonl", "judge.jsonl", "ledger.jsonl", "problems.jsonl")


def wiped(workflow: Workflow, stage: Stage) -> None:
    """Remove what a job has made, as Snakemake does with the outputs of a failed one before the next start."""
    if not stage.made:
        shutil.rmtree(workflow.root / stage.out, ignore_errors=True)
    for pattern in stage.made:
        for path in (workflow.root / stage.out).glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def started(workflow: Workflow, stage: Stage) -> "subprocess.Popen[str]":
    words = stage.words.format(root=workflow.root.relative_to(workflow.folder)).split()
    out = str((workflow.root / stage.out).relative_to(workflow.folder))
    # What notes imports would meet the full disk before the job does.
    environment = {name: value for name, value in workflow.environment.items() if name != "VR1REPRO_NOTED_IMPORTS"}
    return subprocess.Popen(
        [sys.executable, "-m", "vr1repro", *words, "--out", out], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, cwd=workflow.folder, env=environment, start_new_session=True,
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


def as_trained(workflow: Workflow) -> None:
    """Put into the export what LLaMA-Factory leaves there; the weights are those that we trained."""
    made = workflow.root / "handed" / "export" / "checkpoints"
    made.mkdir()
    trained = workflow.root / "train" / "ci" / "s1" / "sft"
    shutil.copyfile(trained / "final" / "model.safetensors", made / "model.safetensors")
    rows = [json.loads(line) for line in (trained / "steps.jsonl").read_text().splitlines()]
    state = {"global_step": len(rows), "max_steps": len(rows), "log_history": rows}
    (made / "trainer_state.json").write_text(json.dumps(state))
    (made.parent / "logs" / "versions.json").write_text(json.dumps({"llamafactory": "0.9.5"}))


@pytest.fixture(scope="session")
def handed(smoke: Workflow, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workflow:
    """The smoke run with a start that was trained elsewhere and has come back. Shared; tests must not change it."""
    base = tmp_path_factory.getbasetemp()
    workflow = replace(smoke, folder=(base if worker_id == "master" else base.parent) / "handed-run")
    with FileLock(workflow.folder.with_suffix(".lock")):
        if (workflow.root / "handed" / "finished").exists():
            return workflow
        shutil.copytree(smoke.folder, workflow.folder, symlinks=True)
        values = yaml.safe_load((workflow.root / "config.yaml").read_text())
        adopted = str((workflow.root / "handed" / "model").relative_to(workflow.folder))
        values["starts"]["returned"] = {"model": "tiny", "sft": "chains", "adopted": adopted}
        values["arms"]["returned"] = {"label": "Returned", "start": "returned"}
        (workflow.root / "handed").mkdir()
        (workflow.root / "handed" / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        for stage in (replace(HANDED["export"], out="handed/export"), *HANDED.values()):
            command = started(workflow, stage)
            _, errors = command.communicate()
            assert command.returncode == 0, errors[-3000:]
            if stage.out == "handed/export":
                as_trained(workflow)
        (workflow.root / "handed" / "finished").touch()
    return workflow


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Stage:
    return STAGES[request.param]


@pytest.fixture
def finished(stage: Stage, request: pytest.FixtureRequest) -> Workflow:
    """The run that holds what the stage has made."""
    workflow: Workflow = request.getfixturevalue("handed" if stage in HANDED.values() else "smoke")
    return workflow


def test_killed_at_random_moments(finished: Workflow, tmp_path: Path, stage: Stage) -> None:
    workflow = replace(finished, folder=tmp_path / "run")
    shutil.copytree(finished.folder, workflow.folder, symlinks=True)
    expected = made_by(workflow, stage)
    wiped(workflow, stage)
    whole = started(workflow, stage)
    seconds = cpu_until_end(whole)
    assert whole.returncode == 0, whole.stderr and whole.stderr.read()[-3000:]
    assert made_by(workflow, stage) == expected  # what is done again is the same anyway

    draw = random.Random(stage.words)
    wiped(workflow, stage)
    killed = 0
    for _ in range(KILLS):
        moment = draw.uniform(0.3, 0.95) * seconds
        killed += killed_after(started(workflow, stage), moment)
    last = started(workflow, stage)
    _, errors = last.communicate()
    assert last.returncode == 0, errors[-3000:]
    assert made_by(workflow, stage) == expected
    assert killed > 0
    print(f"\n{stage.words}: {killed} of {KILLS} kills met it, {seconds:.1f} s of work")


def test_a_disk_that_fills(finished: Workflow, disk: Path, stage: Stage) -> None:
    workflow = replace(finished, folder=disk / "run")
    shutil.copytree(finished.folder, workflow.folder, symlinks=True)
    expected = made_by(workflow, stage)
    if not stage.made:  # a copy of a run has a file of its own where the command made a link
        wiped(workflow, stage)
        assert started(workflow, stage).wait() == 0
    before = used(disk)
    wiped(workflow, stage)
    written = before - used(disk)
    for share in SHARES:
        wiped(workflow, stage)
        room = used(disk) + int(share * written)
        resize(disk, room)
        full = started(workflow, stage)
        _, errors = full.communicate()
        resize(disk, "4g")
        assert full.returncode == 2, errors[-3000:]
        assert "Traceback" not in errors
        assert "cannot be written" in errors
        out = workflow.root / stage.out
        assert not [*out.glob("*.partial"), *out.parent.glob(f".{out.name}.*.partial")]
    last = started(workflow, stage)
    _, errors = last.communicate()
    assert last.returncode == 0, errors[-3000:]
    assert made_by(workflow, stage) == expected
