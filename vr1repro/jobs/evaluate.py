"""Responses of a checkpoint to its benchmarks."""

from typing import Annotated

import typer

from vr1repro.core.errors import UserError
from vr1repro.jobs.common import ConfigFile, Out, benchmark_source, open_run, write_summary


def run(config: ConfigFile, out: Out, checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")]) -> None:
    """Sample one checkpoint's answers to its benchmarks, under all evaluation seeds."""
    from vr1repro.evaluation.run import BenchmarkSpec, evaluate

    settings, plan = open_run(config)
    model = plan.checkpoint(checkpoint)
    settings = settings.of_arm(model.arm)
    results = evaluate(
        str(plan.checkpoint_model(model)),
        [BenchmarkSpec(slug, benchmark_source(settings, plan, slug)) for slug in plan.benchmarks(model.arm)],
        settings.evaluation,
        plan.evaluation_seeds(model),
        out.parent,
        settings.run,
        checkpoint,
        arm=model.arm,
        train_seed=model.seed or None,
        threads=settings.resources.evaluate.threads,
        system_prompt=settings.arms[model.arm].system_prompt,
    )
    if (bad := [result for result in results if not result.healthy]) and not settings.evaluation.accept_unhealthy:
        raise UserError("\n".join(result.complaint() for result in bad) + "\nevaluation.accept_unhealthy takes it")
    folders = {str(result.folder.relative_to(out)): result.counts for result in results}
    write_summary(out / "responses.json", {name: out / name / "responses.jsonl" for name in folders}, folders)
