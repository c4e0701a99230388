"""Commands on the engines of the field: `vr1repro export`, `adopt`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError

app = typer.Typer()

EngineOption = Annotated[str | None, typer.Option("--engine", help="llama-factory, verl or easyr1.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="A config file.")]
_STAGE = "Number of the stage, from 1; 0 is the fine-tuning of the arm's start."


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="New folder.")],
    engine: EngineOption = None,
    config: ConfigOption = None,
    arm: Annotated[str | None, typer.Option(help="Key of `arms`.")] = None,
    stage: Annotated[int | None, typer.Option(min=0, help=_STAGE)] = None,
    seed: Annotated[int, typer.Option(min=1, help="Training seed.")] = 1,
    approximate: Annotated[
        bool, typer.Option("--approximate", help="Hand it over though a key has no counterpart.")
    ] = False,
    model: Annotated[Path | None, typer.Option(help="A checkpoint folder, for --transformers.")] = None,
    transformers: Annotated[
        int | None, typer.Option(min=4, max=4, help="Write --model as this version reads it.")
    ] = None,
) -> None:
    """Write a stage for an engine of the field, or a checkpoint for transformers 4 (docs/engines.md).

    A stage: --engine, --config, --arm, --stage, --seed. What it starts from must be there in the run's folder.
    A checkpoint: --model and --transformers 4.
    """
    if model is not None or transformers is not None:
        if model is None or transformers is None or engine is not None:
            raise UserError("export: a checkpoint takes --model and --transformers 4, and no --engine")
        from vr1repro.handover.transformers4 import export as export_model

        export_model(model, out)
        typer.echo(f"{out}: {model} as transformers 4 reads it")
        return
    if engine is None or config is None or arm is None or stage is None:
        raise UserError("export: a stage takes --engine, --config, --arm and --stage")
    from vr1repro.config.loader import load
    from vr1repro.handover.engines import engine as engine_of
    from vr1repro.handover.export import export_stage
    from vr1repro.handover.stage import handed_stage

    chosen = engine_of(engine)
    settings = load(config)
    settings.limits.put_in_force()
    rows = export_stage(handed_stage(settings, arm, stage, seed), chosen, out, approximate=approximate)
    for row in rows:
        if row.likeness not in ("exact", "operational"):
            typer.echo(f"{row.likeness.value:12} {row.key}: {row.why}")
    typer.echo(f"{out}: {chosen.title} {chosen.version}, {chosen.support}; start it with {out}/run.sh")


@app.command()
def adopt(
    checkpoint: Annotated[
        Path, typer.Argument(help="LLaMA-Factory's output folder, or global_step_<n> of verl or EasyR1.")
    ],
    engine: Annotated[str, typer.Option("--engine", help="llama-factory, verl or easyr1.")],
    arm: Annotated[str, typer.Option("--for", help="The arm that it was exported for.")],
    stage: Annotated[int, typer.Option(min=0, help=_STAGE)],
    out: Annotated[Path, typer.Option(help="New folder for the model.")],
    export: Annotated[Path | None, typer.Option(help="The export, where the checkpoint lies elsewhere.")] = None,
    log: Annotated[Path | None, typer.Option(help="The engine's step log, where it lies elsewhere.")] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Let the engine's merger open pickled shards, which can run any code.")
    ] = False,
) -> None:
    """Take back what an engine trained, so that a stage of the config can say `adopted: PATH`."""
    from vr1repro.handover.adopt import adopt as take
    from vr1repro.handover.engines import engine as engine_of

    chosen = engine_of(engine)
    of = take(checkpoint, chosen, arm, stage, out, export=export, log=log, trusted=trust)
    where = f"starts.{of.identity['name']}" if of.is_sft else f"arms.{arm}.stages[{stage - 1}]"
    typer.echo(f"{out}: {arm} stage {stage} by {chosen.title}; in the config, {where}.adopted: {out.absolute()}")
