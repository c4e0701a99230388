"""The lab's base model."""

import typer

from vr1repro.core.locks import Lock
from vr1repro.core.provenance import write_manifest
from vr1repro.engines.slim import import_transformers
from vr1repro.jobs.common import ConfigFile, Out, open_run


def run(config: ConfigFile, out: Out) -> None:
    """Pretrain the lab's base model."""
    import json

    import_transformers()
    from vr1repro.coldset import prompts
    from vr1repro.lab.pretrain import pretrain
    from vr1repro.lab.tokenizer import Prompts

    settings, _ = open_run(config)
    assert settings.lab is not None  # noqa: S101 - checked by Config
    threads, seed = settings.resources.prepare.threads, settings.seeds.data
    bridging = Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION)
    with Lock(out, "this pretraining"):
        pretrain(settings.lab, bridging, out, seed, threads, typer.echo)
    values = {**settings.lab.model_dump(mode="json"), "seed": seed, "threads": threads}
    facts = json.loads((out / "reading.json").read_text(encoding="utf-8"))
    write_manifest(out, "model", values, {}, facts, telemetry=["timing.jsonl"])
