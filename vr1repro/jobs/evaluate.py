"""Responses of a checkpoint to its benchmarks."""

from typing import Annotated

import typer

from vr1repro.core.errors import UserError
from vr1repro.jobs.common import ConfigFile, Out, benchmark_source, open_run, write_summary


def run(config: ConfigFile, out: Out, checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")]) -> None:
    """Sample one checkpoint's answers to its benchmarks, under all evaluation seeds."""
    from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, evaluate

    settings, plan = open_run(config)
    planned = plan.checkpoint(checkpoint)
    settings = settings.of_arm(planned.arm)
    model = EvaluatedModel(
        location=str(plan.checkpoint_model(planned)),
        name=checkpoint,
        run=settings.run,
        arm=planned.arm,
        train_seed=planned.seed or None,
        system_prompt=settings.arms[planned.arm].system_prompt,
    )
    results = evaluate(
        model,
        [BenchmarkSpec(slug, benchmark_source(settings, plan, slug)) for slug in plan.benchmarks(planned.arm)],
        settings.evaluation,
        plan.evaluation_seeds(planned),
        out.parent,
        threads=settings.resources.evaluate.threads,
    )
    if (bad := [result for result in results if not result.healthy]) and not settings.evaluation.accept_unhealthy:
        raise UserError("\n".join(result.complaint() for result in bad) + "\nevaluation.accept_unhealthy takes it")
    folders = {str(result.folder.relative_to(out)): result.counts for result in results}
    write_summary(out / "responses.json", {name: out / name / "responses.jsonl" for name in folders}, folders)
