"""Responses of a checkpoint to its benchmarks."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError
from vr1repro.core.provenance import content_sha, is_left
from vr1repro.jobs.common import ConfigFile, Out, benchmark_source, open_run, write_summary


def run(config: ConfigFile, out: Out, checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")]) -> None:
    """Sample one checkpoint's answers to its benchmarks, under all evaluation seeds."""
    from vr1repro.evaluation.finished import finished
    from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, evaluate

    settings, plan = open_run(config)
    planned = plan.checkpoint(checkpoint)
    weights, asking, seeds = (
        Path(plan.checkpoint_model(planned)),
        plan.evaluation(planned),
        plan.evaluation_seeds(planned),
    )
    model = EvaluatedModel(
        location=str(weights),
        name=checkpoint,
        run=settings.run,
        arm=planned.arm,
        train_seed=planned.seed or None,
        system_prompt=settings.arms[planned.arm].system_prompt,
    )
    specs = [BenchmarkSpec(slug, benchmark_source(settings, plan, slug)) for slug in plan.benchmarks(planned)]
    if planned.passing and is_left(weights):
        before = finished(model, content_sha(weights), specs, asking, seeds, out.parent)
        if before is None:
            raise UserError(
                f"{weights}: its weights went when it was graded, and what it is asked has changed since; put that"
                f" back, or make the stage again: --config remake={weights.parents[1]}"
            )
        results = before
    else:
        results = evaluate(model, specs, asking, seeds, out.parent, threads=settings.resources.evaluate.threads)
    if (bad := [result for result in results if not result.healthy]) and not asking.accept_unhealthy:
        raise UserError("\n".join(result.complaint() for result in bad) + "\nevaluation.accept_unhealthy takes it")
    folders = {str(result.folder.relative_to(out)): result.counts for result in results}
    write_summary(out / "responses.json", {name: out / name / "responses.jsonl" for name in folders}, folders)
