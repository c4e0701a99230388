"""Cold-start initialisation and GRPO stages."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.engines.slim import import_trl
from vr1repro.jobs.common import PROBLEMS, ConfigFile, Out, app, open_run
from vr1repro.jobs.warm.client import start_cold


@app.command("sft")
def train_sft(
    config: ConfigFile,
    out: Out,
    start: Annotated[str, typer.Option(help="Key of `starts`.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
) -> None:
    """Cold-start initialisation of one start."""
    settings, plan = open_run(config)
    import_trl(vllm=False)
    from vr1repro.training import sft

    asked = settings.starts[start]
    assert asked.sft is not None  # noqa: S101 - the plan has no such job otherwise
    threads = settings.resources.sft.threads
    sft.train(settings.sft, Path(plan.model(asked.model)), Path(plan.coldset()), asked.sft, seed, threads, out)


@app.command("rl")
def train_rl(
    config: ConfigFile,
    out: Out,
    arm: Annotated[str, typer.Option(help="Key of `arms`.")],
    stage: Annotated[int, typer.Option(min=1, help="Number of the stage, from 1.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
) -> None:
    """One GRPO stage of one arm."""
    settings, plan = open_run(config)
    if vllm := settings.rl.generation.engine != "transformers":
        start_cold()  # TRL looks for vLLM when it is imported
    import_trl(vllm=vllm)
    from vr1repro.training import grpo

    asked = settings.arms[arm]
    first = plan.last_step(arm, stage - 1)
    job = grpo.StageJob(
        arm=arm,
        number=stage,
        stage=asked.stages[stage - 1],
        first_step=first,
        kept_steps=plan.kept_steps(arm, stage),
        skip_prompts=grpo.prompts_used(settings.rl, first),
        system_prompt=asked.system_prompt,
        seed=seed,
    )
    assert asked.reward is not None  # noqa: S101 - checked by Arm
    model = Path(plan.stage_model(arm, stage - 1, seed))
    reference = Path(plan.start_model(asked.start, seed)) if settings.rl.reference == "start" else model
    problems = Path(plan.problems(job.stage.problems or settings.rl.problems)) / PROBLEMS
    threads = settings.resources.rl.threads
    grpo.train(job, settings.rl, settings.rewards[asked.reward], model, reference, problems, threads, out)
