"""What another engine trains, or has trained, where a start or stage of the config says `engine` or `adopted`.

Both leave a folder as our own training does: the checkpoint (`final/`, or `step<n>/` of an RL stage), steps.jsonl and
the manifest, so that what comes after does not know who trained; and counterparts.json, which the report shows.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from vr1repro.config.arms import Stage, Start
from vr1repro.core.errors import UserError
from vr1repro.core.files import explained, remove
from vr1repro.core.jsonl import count_rows
from vr1repro.core.outside import json_object
from vr1repro.core.provenance import CONTENT, MANIFEST, content_sha, read_manifest, write_manifest
from vr1repro.handover.adopt import ADOPTED, STEPS, adopt
from vr1repro.handover.counterparts import COUNTERPARTS, Likeness
from vr1repro.handover.engines import Engine, engine, environment, process_environment
from vr1repro.handover.export import export_stage, identity
from vr1repro.handover.names import CHECKPOINTS
from vr1repro.handover.stage import HandedStage, handed_stage, handed_start
from vr1repro.jobs.common import ConfigFile, Out, Remake, guard, open_run

# In the stage's folder: what was handed over, and the model that came back until it is installed.
EXPORT, RETURNED = "handover", "returned"


def run(
    config: ConfigFile,
    out: Out,
    seed: Annotated[int, typer.Option(min=1, help="Training seed.")],
    start: Annotated[str | None, typer.Option(help="Key of `starts`, for its fine-tuning.")] = None,
    arm: Annotated[str | None, typer.Option(help="Key of `arms`.")] = None,
    stage: Annotated[int | None, typer.Option(min=1, help="Number of the stage, from 1.")] = None,
    remake: Remake = "",
) -> None:
    """Train a stage in the engine that the config names, or take an adopted one."""
    settings, _ = open_run(config)
    if start is not None:
        handed = handed_start(settings, start, seed)
        source: Start | Stage = settings.starts[start]
    elif arm is not None and stage is not None:
        handed = handed_stage(settings, arm, stage, seed)
        source = handed.stage
    else:
        raise UserError("give --start, or --arm and --stage")
    if source.adopted is not None:
        take_adopted(handed, source.adopted, out, remake)
    elif source.engine is not None:
        train_elsewhere(handed, engine(source.engine), source.approximate, out, remake, typer.echo)
    else:
        raise UserError(f"{handed.title}: the config says neither `engine` nor `adopted`, so it is trained here")


def train_elsewhere(
    stage: HandedStage, chosen: Engine, approximate: bool, out: Path, remake: str, say: Callable[[str], None]
) -> None:
    """Hand a stage to an engine, run its launcher, and take back what it trained.

    A killed job goes on from the engine's own checkpoints.

    Raises:
        UserError: A key has no counterpart there and the config does not say `approximate`, or the engine failed.
    """
    say(f"{chosen.title} {chosen.version}: {chosen.support}")
    if not guard(out, stage.config, remake, stage.inputs()):
        return
    environment(chosen)
    folder = out / EXPORT
    if not _is_export(folder, stage, chosen):
        remove(folder)
        export_stage(stage, chosen, folder, approximate=approximate)
    run_launcher(folder, chosen)
    returned = out / RETURNED
    remove(returned)
    adopt(_last_checkpoint(folder, stage), chosen, stage.name, stage.number, returned, export=folder, trusted=True)
    _install(returned, stage, chosen, out)
    remove(returned)


def take_adopted(stage: HandedStage, path: str, out: Path, remake: str) -> None:
    """Put what `vr1repro adopt` made in the place of a stage.

    Raises:
        UserError: It is of another stage, or was trained by other values.
    """
    folder = Path(path.replace("{seed}", str(stage.seed)))
    made = read_manifest(folder)["content"]["settings"].get(ADOPTED)
    if made is None:
        raise UserError(f"{folder}: is no model that `vr1repro adopt` made; adopt it first")
    _check_values(folder, made, stage)
    inputs = {**stage.inputs(), ADOPTED: content_sha(folder)}
    if guard(out, stage.config, remake, inputs):
        _install(folder, stage, engine(made["engine"]), out, inputs)


def run_launcher(folder: Path, chosen: Engine) -> None:
    """Run an export's run.sh in the engine's environment; its output goes where ours goes.

    Raises:
        UserError: It failed.
    """
    variables = {**process_environment(chosen), chosen.variable: str(environment(chosen))}
    done = subprocess.run(["bash", str(folder / "run.sh")], env=variables)
    if done.returncode:
        raise UserError(f"{folder}/run.sh: {chosen.title} ended with exit code {done.returncode}; its output is above")


def _is_export(folder: Path, stage: HandedStage, chosen: Engine) -> bool:
    if not (folder / MANIFEST).exists():
        return False
    content = read_manifest(folder)["content"]
    return bool(content["settings"] == identity(stage, chosen) and content["inputs"] == stage.inputs())


def _last_checkpoint(folder: Path, stage: HandedStage) -> Path:
    made = folder / CHECKPOINTS
    return made if stage.is_sft else made / f"global_step_{stage.stage.steps}"


def _check_values(folder: Path, made: Mapping[str, Any], stage: HandedStage) -> None:
    """Refuse what was trained for another place of the experiment, by other values or from other weights.

    Keys that are operational in the engine may differ.
    """
    place = {"name": stage.name, "stage": stage.number, "first_step": stage.first_step}
    rows = json_object(folder / COUNTERPARTS)["keys"]
    operational = {row["key"] for row in rows if row["likeness"] == Likeness.OPERATIONAL}
    values = {key: value for key, value in stage.values().items() if key not in operational}
    trained_by = {key: value for key, value in made["values"].items() if key not in operational}
    wrong = [key for key, value in place.items() if made[key] != value]
    wrong += [key for key, value in values.items() if trained_by.get(key) != value]
    wrong += sorted(trained_by.keys() - values.keys())
    if wrong:
        raise UserError(
            f"{folder}: was trained with other values than the config's {stage.title}: {', '.join(wrong)}; export and"
            " train it again, or correct the config"
        )
    if read_manifest(folder)["content"]["inputs"]["start"] != content_sha(stage.model):
        raise UserError(f"{folder}: was trained from other weights than {stage.model}; export and train it again")


def _install(
    model: Path, stage: HandedStage, chosen: Engine, out: Path, inputs: Mapping[str, str] | None = None
) -> None:
    """Copy a model that came back to where our training would have saved it, and close the stage's folder."""
    step = "final" if stage.is_sft else f"step{stage.first_step + stage.stage.steps}"
    remove(out / step)
    apart = {STEPS, COUNTERPARTS, MANIFEST, CONTENT}
    made = read_manifest(model)["content"]
    with explained(out):
        shutil.copytree(model, out / step, ignore=lambda _, names: apart & set(names), symlinks=False)
        for name in (STEPS, COUNTERPARTS):
            shutil.copyfile(model / name, out / name)
    write_manifest(out / step, "model", made["settings"], made["inputs"], made["facts"])
    facts: dict[str, Any] = {"engine": chosen.name, "engine_version": chosen.version}
    if stage.is_sft:
        facts["steps"] = count_rows(out / STEPS)
    else:
        prompts = stage.config.rl.prompts_per_step * stage.stage.steps
        facts["length_x_group"] = stage.stage.max_tokens * stage.stage.group
        facts |= {"completions": prompts * stage.stage.group, "steps": stage.stage.steps}
    kind = "sft" if stage.is_sft else "rl-stage"
    write_manifest(out, kind, identity(stage, chosen), dict(inputs or stage.inputs()), facts, apart=[EXPORT, RETURNED])
