"""Exact resume: a job that was killed and started again ends as the undisturbed one would have.

`<out>/resume/checkpoint-<n>/` holds the state after optimizer step n: weights, optimizer, scheduler, the random states
of each process, and the logs up to that step, which the workflow removes when a job fails. It is written aside and
renamed, so it is complete or absent. `<out>/resume/job.json` says what job it belongs to; a job with other settings,
inputs or code starts afresh. Checkpoints lie at borders of rollouts, so no buffer of samples needs saving.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer

from vr1repro.core.code_hash import code_hash
from vr1repro.core.errors import UserError
from vr1repro.core.files import remove, write_atomically
from vr1repro.core.locks import Lock
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import json_sha
from vr1repro.core.upstream import require
from vr1repro.training.launch import is_first_process

FOLDER, JOB = "resume", "job.json"
LOGS = ("steps.jsonl", "timing.jsonl", "samples.jsonl")
_NEWEST = 2  # repo, train.yaml: save_total_limit 2


def prepare(
    out: Path,
    module: str,
    settings: dict[str, Any],
    inputs: dict[str, str],
    products: Mapping[int, Path] | None = None,
) -> Path | None:
    """Find where an earlier run of this very job stopped, or empty its folder.

    With several processes the first one does it and the others wait, so they must be connected by then: a process that
    starts late would else empty what another has begun.

    Args:
        out: The job's folder.
        module: The stage's module; its code is part of what the job is.
        settings: The config values that the result depends on.
        inputs: Content hashes of what it is made from.
        products: Folders that the job leaves behind after given steps; those before the checkpoint must be there.

    Returns:
        The newest checkpoint, its logs put back in place; None where the job begins at its beginning.
    """
    require("transformers")
    require("torch")
    folder = out / FOLDER
    first = is_first_process()
    begun = _prepare(out, folder, module, settings, inputs, products or {}) if first else None
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
    return begun if first else max(checkpoints(folder), key=step_of, default=None)


def _prepare(
    out: Path,
    folder: Path,
    module: str,
    settings: dict[str, Any],
    inputs: dict[str, str],
    products: Mapping[int, Path],
) -> Path | None:
    job = json_sha({"code": code_hash(module), "settings": settings, "inputs": inputs})
    newest = max(checkpoints(folder), key=step_of, default=None) if _job_of(folder) == job else None
    if newest is None or not all(path.is_dir() for step, path in products.items() if step <= step_of(newest)):
        shutil.rmtree(out, ignore_errors=True)
        folder.mkdir(parents=True)
        write_atomically(folder / JOB, json.dumps({"job": job}) + "\n")
        return None
    _copy_logs(newest, out)
    return newest


def alone(out: Path) -> AbstractContextManager[object]:
    """What keeps other processes from the same job; of several processes of one job, the first holds it.

    Raises:
        UserError: Another process is working on the job.
    """
    return Lock(out, "this training") if is_first_process() else nullcontext()


def finish(out: Path) -> None:
    """Remove the checkpoints of a job that has ended."""
    shutil.rmtree(out / FOLDER)


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints in a `resume` folder."""
    return list(folder.glob("checkpoint-*"))


def step_of(checkpoint: Path) -> int:
    """The optimizer step after which a checkpoint was made."""
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _copy_logs(source: Path, target: Path) -> None:
    for name in LOGS:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


def _job_of(folder: Path) -> str | None:
    try:
        return str(json_object(folder / JOB)["job"])
    except (UserError, KeyError):
        return None


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn a failed write (a full disk) into one clear error, and remove what was written, which takes up room.

    Raises:
        UserError: Something under the folder could not be written.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        # torch's writer raises a RuntimeError of its own for a full disk, with this class's name in it.
        if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
            raise
        shutil.rmtree(folder, ignore_errors=True)
        raise UserError(
            f"{folder}: cannot be written: {error}; make room, then run the same command: it goes on from the last"
            " whole checkpoint"
        ) from error


class Resumable(Trainer):
    """A trainer whose checkpoints are complete or absent. It stands before TRL's trainers in a class's bases."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_deepspeed_enabled or self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        # transformers loads the file's tensors by name and leaves out, with a warning, those it does not find. A saved
        # Qwen2.5-VL has other names than the module, so nothing would be loaded; reading the folder maps them back.
        policy = self.accelerator.unwrap_model(model or self.model)
        saved = type(policy).from_pretrained(resume_from_checkpoint, dtype=policy.dtype, use_safetensors=True)
        policy.load_state_dict(saved.state_dict(), strict=True)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        out = Path(self.args.output_dir)
        folder, aside = out / FOLDER, out / FOLDER / ".partial"
        if self.is_world_process_zero():
            remove(aside)  # also a link that somebody put there
        self.accelerator.wait_for_everyone()
        self.args.output_dir = str(aside)
        try:
            with writing(aside):
                super()._save_checkpoint(model, trial)
        finally:
            self.args.output_dir = str(out)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            made = aside / f"checkpoint-{self.state.global_step}"
            _copy_logs(out, made)
            shutil.rmtree(folder / made.name, ignore_errors=True)
            made.replace(folder / made.name)
            shutil.rmtree(aside)
            for path in sorted(checkpoints(folder), key=step_of)[:-_NEWEST]:
                shutil.rmtree(path)
        self.accelerator.wait_for_everyone()
