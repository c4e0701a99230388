"""One GRPO stage of one arm."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.plan import PROBLEMS
from vr1repro.core.provenance import content_sha, file_sha
from vr1repro.engines.slim import import_trl
from vr1repro.jobs.common import ConfigFile, Out, Remake, guard, open_run
from vr1repro.jobs.warm.client import start_cold


def run(
    config: ConfigFile,
    out: Out,
    arm: Annotated[str, typer.Option(help="Key of `arms`.")],
    stage: Annotated[int, typer.Option(min=1, help="Number of the stage, from 1.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
    remake: Remake = "",
) -> None:
    """One GRPO stage of one arm."""
    settings, plan = open_run(config)
    settings = settings.of_arm(arm)
    chosen = settings.arms[arm]
    model = Path(plan.stage_model(arm, stage - 1, seed))
    reference = Path(plan.start_model(chosen.start, seed)) if settings.rl.reference == "start" else model
    problems = Path(plan.problems(chosen.stages[stage - 1].problems or settings.rl.problems)) / PROBLEMS
    inputs = {"model": content_sha(model), "reference": content_sha(reference), "problems": file_sha(problems)}
    if not guard(out, settings, remake, inputs):
        return
    if vllm := settings.rl.generation.engine != "transformers":
        start_cold()  # TRL looks for vLLM when it is imported
    import_trl(vllm=vllm)
    from vr1repro.training import grpo, resume

    first = plan.last_step(arm, stage - 1)
    job = grpo.StageJob(
        arm=arm,
        number=stage,
        stage=chosen.stages[stage - 1],
        first_step=first,
        kept_steps=plan.kept_steps(arm, stage),
        passing_steps=plan.passing_steps(arm, stage),
        skip_prompts=grpo.prompts_used(settings.rl, first),
        system_prompt=chosen.system_prompt,
        seed=seed,
    )
    assert chosen.reward is not None  # noqa: S101 - checked by Arm
    threads = settings.resources.rl.threads
    with resume.alone(out):
        grpo.train(job, settings.rl, settings.rewards[chosen.reward], model, reference, problems, threads, out)
