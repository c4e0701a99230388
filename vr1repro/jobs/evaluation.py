"""Answers of a checkpoint, and their grades."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError
from vr1repro.core.provenance import file_sha
from vr1repro.jobs.common import ConfigFile, Out, app, benchmark_source, open_run

Slug = Annotated[str, typer.Option(help="Slug of the checkpoint.")]


@app.command("evaluate")
def evaluate_checkpoint(config: ConfigFile, out: Out, checkpoint: Slug) -> None:
    """Sample one checkpoint's answers to its benchmarks, under all evaluation seeds."""
    from vr1repro.evaluation.run import BenchmarkSpec, evaluate

    settings, plan = open_run(config)
    asked = plan.checkpoint(checkpoint)
    results = evaluate(
        str(plan.checkpoint_model(asked)),
        [BenchmarkSpec(slug, benchmark_source(settings, plan, slug)) for slug in plan.benchmarks(asked.arm)],
        settings.evaluation,
        settings.seeds.evaluation,
        out.parent,
        settings.run,
        checkpoint,
        arm=asked.arm,
        train_seed=asked.seed or None,
        threads=settings.resources.evaluate.threads,
        system_prompt=settings.arms[asked.arm].system_prompt,
    )
    if (bad := [result for result in results if not result.healthy]) and not settings.evaluation.accept_unhealthy:
        raise UserError("\n".join(result.complaint() for result in bad) + "\nevaluation.accept_unhealthy takes it")
    folders = {str(result.folder.relative_to(out)): result.counts for result in results}
    _close(out / "responses.json", {name: out / name / "responses.jsonl" for name in folders}, folders)


@app.command("grade")
def grade_checkpoint(config: ConfigFile, out: Out, checkpoint: Slug) -> None:
    """Score one checkpoint's answers under the headline profile."""
    from vr1repro.evaluation.grading import grade_file

    settings, plan = open_run(config)
    asked = plan.checkpoint(checkpoint)
    profile = settings.reporting.profile
    found: dict[str, object] = {}
    files = {}
    for slug in plan.benchmarks(asked.arm):
        questions = Path(plan.problems(slug))
        for protocol in settings.evaluation.protocols:
            for seed in settings.seeds.evaluation:
                folder = Path(plan.eval_dir(checkpoint, slug, protocol, seed))
                verdicts = folder / "verdicts" / f"{profile}.jsonl"
                scores = grade_file(slug, profile, folder / "responses.jsonl", questions, verdicts, protocol=protocol)
                name = str(folder.relative_to(out))
                found[name] = scores[0].model_dump(mode="json")
                files[name] = verdicts
    _close(out / "verdicts.json", files, found)


def _close(summary: Path, files: dict[str, Path], figures: dict[str, object] | dict[str, dict[str, int]]) -> None:
    """Write the summary that tells the workflow that a checkpoint's files are complete."""
    import json

    from vr1repro.core.files import write_atomically

    content = {name: {"sha256": file_sha(path), "figures": figures[name]} for name, path in files.items()}
    write_atomically(summary, json.dumps(content, indent=2, sort_keys=True) + "\n")
