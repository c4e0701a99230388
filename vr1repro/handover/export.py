"""Write a stage for an engine of the field: data, settings, reward, launcher, and what of it has no counterpart."""

import json
from pathlib import Path
from typing import Any

import yaml

from vr1repro.core.errors import UserError
from vr1repro.core.files import whole_folder, write_atomically
from vr1repro.core.provenance import write_manifest
from vr1repro.handover import files, transformers4
from vr1repro.handover.counterparts import COUNTERPARTS, Counterpart, as_json, counterparts, refuse
from vr1repro.handover.engines import Engine
from vr1repro.handover.names import DATA, KIND, LOGS, MODEL, REWARD, TEMPLATE
from vr1repro.handover.settings import settings_of
from vr1repro.handover.stage import HandedStage


def export_stage(stage: HandedStage, engine: Engine, out: Path, *, approximate: bool = False) -> list[Counterpart]:
    """Write `out`: data.parquet, stage.yaml, reward.py, run.sh, counterparts.json, logs/, closed by a manifest.

    LLaMA-Factory's has a dataset_info.json too, EasyR1's the model for transformers 4 and, with a system prompt, a chat
    template. Paths in the files are absolute: the folder stays where it is made.

    Args:
        out: A new folder.
        approximate: Hand it over though a key has no counterpart.

    Returns:
        What each key is in the engine.

    Raises:
        UserError: The engine cannot train such a stage, a key has no counterpart, or the rows cannot be written.
    """
    if (engine.trains == "sft") != stage.is_sft:
        does = "fine-tunes: give --stage 0" if engine.trains == "sft" else "trains stages from 1"
        raise UserError(f"--engine {engine.name} --stage {stage.number}: {engine.title} {does}")
    if out.exists():
        raise UserError(f"{out}: is there already; give a new folder")
    values = stage.values()
    refuse(engine, counterparts(engine, values, stage.number), approximate)
    inputs = stage.inputs()  # here, for a model that is missing is named
    with whole_folder(out) as aside:
        (aside / LOGS).mkdir()
        from vr1repro.handover.rows import write_rows  # torch; what cannot be handed over is refused without it

        written = write_rows(stage, engine, aside / DATA)
        if engine.name == "llama-factory":
            values["pictures.narrow"] = written.narrow
            write_atomically(aside / "dataset_info.json", files.dataset_index())
        rows = counterparts(engine, values, stage.number)
        if engine.name == "easyr1":
            if not transformers4.is_for_transformers4(stage.model):
                transformers4.export(stage.model, aside / MODEL)
            if stage.system_prompt:
                write_atomically(aside / TEMPLATE, files.chat_template(stage))
        settings = settings_of(stage, engine, out, has_model=(aside / MODEL).exists())
        write_atomically(aside / "stage.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        write_atomically(aside / REWARD, files.reward_file(stage, engine))
        write_atomically(aside / "run.sh", files.run_file(stage, engine, out))
        (aside / "run.sh").chmod(0o755)
        write_atomically(aside / COUNTERPARTS, json.dumps(as_json(engine, rows), indent=2, ensure_ascii=False) + "\n")
        facts = {"rows": written.rows, "rows_too_long": written.too_long, "model": str(stage.model.absolute())}
        write_manifest(aside, KIND, identity(stage, engine), inputs, facts, apart=[LOGS])
    return rows


def identity(stage: HandedStage, engine: Engine) -> dict[str, Any]:
    """What says which stage was handed over, in the manifests of the export and of what came back."""
    return {
        "engine": engine.name,
        "name": stage.name,
        "arm": stage.arm,
        "stage": stage.number,
        "seed": stage.seed,
        "first_step": stage.first_step,
        "values": stage.values(),
    }
