"""Take back what an engine trained: weights, processor, step log, and what of the stage had no counterpart.

verl and EasyR1 write a model as pickled shards. A pickle runs code when it is opened, so that is left to the engine's
own merger, in its environment and a process of its own, and only of a folder that the user says is trusted. Our code
reads safetensors.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_folder
from vr1repro.core.jsonl import write_rows
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import MANIFEST, content_sha, read_manifest, write_manifest
from vr1repro.engines.model_folder import check_files, refuse_pickles
from vr1repro.handover import steps
from vr1repro.handover.counterparts import COUNTERPARTS
from vr1repro.handover.engines import Engine, easyr1_checkout, environment, process_environment, versions
from vr1repro.handover.names import KIND, LOGS, VERSIONS
from vr1repro.handover.tensors import check_shapes, set_dtype

STEPS = "steps.jsonl"
ADOPTED = "adopted"  # of the manifest's settings: the identity of the stage that was handed over
_SHARD = re.compile(r"model_world_size_\d+_rank_\d+\.pt")
_GLOBAL_STEP = re.compile(r"global_step_(\d+)")
# Taken from the model that the stage started from: training changes none of them, and saving by another version may.
_OF_THE_START = (
    *("config.json", "generation_config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json"),
    *("vocab.json", "merges.txt", "special_tokens_map.json", "added_tokens.json", "tokenizer.model"),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json", "chat_template.json"),
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """A finished export, by its manifest.

    Attributes:
        identity: Which stage it is, and its values.
        start: The checkpoint that the stage starts from.
    """

    folder: Path
    identity: dict[str, Any]
    start: Path

    @property
    def is_sft(self) -> bool:
        """Whether it is a fine-tuning."""
        return int(self.identity["stage"]) == 0


def adopt(
    checkpoint: Path,
    engine: Engine,
    name: str,
    number: int,
    out: Path,
    *,
    export: Path | None = None,
    log: Path | None = None,
    trusted: bool = False,
) -> Export:
    """Make a model folder of what an engine wrote: safetensors, the start's processor files, steps.jsonl, a manifest.

    Args:
        checkpoint: The engine's folder: LLaMA-Factory's output, or `global_step_<n>` of verl and EasyR1.
        name: The arm it was exported for; of a fine-tuning also its start.
        number: The stage; 0 for SFT.
        out: A new folder.
        export: The export's folder, where the checkpoint does not lie in it.
        log: The engine's step log, where it does not lie there.
        trusted: Pickled shards may be opened, by the engine.

    Returns:
        The export that it came from.

    Raises:
        UserError: It is another stage's, unfinished, pickled and not trusted, or other tensors than the start's.
    """
    if out.exists():
        raise UserError(f"{out}: is there already; give a new folder")
    if not checkpoint.is_dir():
        raise UserError(f"{checkpoint}: no such folder")
    of = find_export(checkpoint, export)
    _check_identity(of, engine, name, number, checkpoint)
    rows = _steps(of, engine, [log] if log else steps.logs_of(engine, of.folder))
    with whole_folder(out) as aside:
        weights = _weights(checkpoint, engine, aside / ".merged", trusted)
        for path in sorted(weights.glob("*.safetensors*")):
            shutil.copyfile(path, aside / path.name)
        shutil.rmtree(aside / ".merged", ignore_errors=True)
        for file in _OF_THE_START:
            if (of.start / file).exists():
                shutil.copyfile(of.start / file, aside / file)
        refuse_pickles(aside)
        check_files(aside)
        set_dtype(aside, check_shapes(aside, of.start))
        write_rows(aside / STEPS, rows)
        shutil.copyfile(of.folder / COUNTERPARTS, aside / COUNTERPARTS)
        inputs = {"export": content_sha(of.folder), "start": content_sha(of.start)}
        facts = {"engine": engine.name, "engine_versions": _versions(of, engine), "steps": len(rows)}
        write_manifest(aside, "model", {ADOPTED: of.identity}, inputs, facts)
    return of


def find_export(checkpoint: Path, named: Path | None) -> Export:
    """The export that a checkpoint lies in, or the named one.

    Raises:
        UserError: There is none.
    """
    folders = [named] if named else [checkpoint, *checkpoint.absolute().parents]
    for folder in folders:
        if (folder / MANIFEST).exists() and (content := read_manifest(folder)["content"])["kind"] == KIND:
            return Export(folder=folder, identity=content["settings"], start=Path(content["facts"]["model"]))
    if named:
        raise UserError(f"{named}: is no export of `vr1repro export`")
    raise UserError(f"{checkpoint}: lies in no export of `vr1repro export`; name its folder with --export")


def _check_identity(of: Export, engine: Engine, name: str, number: int, checkpoint: Path) -> None:
    made = of.identity
    names = {made["name"], made["arm"]}
    if made["engine"] != engine.name or made["stage"] != number or name not in names:
        raise UserError(
            f"{of.folder}: was exported for {made['engine']}, {made['arm']} stage {made['stage']}, not for"
            f" {engine.name}, {name} stage {number}; correct --engine, --for or --stage"
        )
    step = _GLOBAL_STEP.search(str(checkpoint))
    if step and not of.is_sft and int(step[1]) != made["values"]["stage.steps"]:
        raise UserError(f"{checkpoint}: is of step {step[1]}, the stage ends at step {made['values']['stage.steps']}")


def _steps(of: Export, engine: Engine, logs: list[Path]) -> list[steps.Row]:
    if of.is_sft:
        state = json_object(logs[-1])
        if state.get("global_step") != state.get("max_steps"):
            raise UserError(
                f"{logs[-1]}: ended at step {state.get('global_step')} of {state.get('max_steps')}; let {engine.title}"
                " finish it"
            )
        return steps.sft_steps(logs[-1])
    made = of.identity
    rows = steps.rl_steps(logs, made["name"], made["stage"], made["first_step"])
    if not rows or (last := rows[-1]["step"] - made["first_step"]) != made["values"]["stage.steps"]:
        at = f"ends at step {last}" if rows else "holds no step"
        raise UserError(f"{logs[-1]}: {at}, the stage has {made['values']['stage.steps']}; name its log with --log")
    return rows


def _weights(checkpoint: Path, engine: Engine, aside: Path, trusted: bool) -> Path:
    """The folder with safetensors: the checkpoint, or what the engine's merger makes of its shards."""
    if any(checkpoint.glob("*.safetensors")):
        return checkpoint
    actor = checkpoint / "actor" if (checkpoint / "actor").is_dir() else checkpoint
    if not any(_SHARD.fullmatch(path.name) for path in actor.iterdir()):
        raise UserError(f"{checkpoint}: holds neither *.safetensors nor shards of {engine.title}")
    if not trusted:
        raise UserError(
            f"{actor}: holds pickled shards, which run code when they are opened; where you trust whoever wrote the"
            " folder, say --trust, and the engine's own merger opens them in its environment"
        )
    return _merged(actor, engine, aside)


def _merged(actor: Path, engine: Engine, aside: Path) -> Path:
    python = str(environment(engine) / "bin" / "python")
    if engine.name == "verl":
        command = [python, "-m", "verl.model_merger", "merge", "--backend", "fsdp"]
        command += ["--local_dir", str(actor.absolute()), "--target_dir", str(aside.absolute())]
        merged = aside
    else:
        # It writes into the folder that it reads, so it reads one of links.
        _link_shards(actor, aside)
        script = easyr1_checkout() / "scripts" / "model_merger.py"
        command = [python, str(script), "--local_dir", str(aside.absolute())]
        merged = aside / "huggingface"
    done = subprocess.run(command, capture_output=True, text=True, env=process_environment(engine))
    if done.returncode or not any(merged.glob("*.safetensors")):
        tail = (done.stderr or done.stdout).strip()[-300:]
        raise UserError(f"{actor}: {engine.title}'s merger ended with exit code {done.returncode}: {tail}")
    return merged


def _link_shards(actor: Path, out: Path) -> None:
    out.mkdir()
    for shard in actor.iterdir():
        if _SHARD.fullmatch(shard.name):
            (out / shard.name).symlink_to(shard.absolute())
    if (actor / "huggingface").is_dir():  # without the weights of an earlier merge
        shutil.copytree(actor / "huggingface", out / "huggingface", ignore=shutil.ignore_patterns("*.safetensors*"))


def _versions(of: Export, engine: Engine) -> dict[str, str]:
    """Versions that trained it, as run.sh noted them; else those of the environment here."""
    if (noted := of.folder / LOGS / VERSIONS).exists():
        return {str(name): str(value) for name, value in json_object(noted).items()}
    return versions(engine)
