"""Verdicts on a checkpoint's responses to one benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.provenance import file_sha
from vr1repro.jobs.common import ConfigFile, Out, open_run, write_summary


def run(
    config: ConfigFile,
    out: Out,
    checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")],
    benchmark: Annotated[str, typer.Option(help="Slug of the benchmark.")],
) -> None:
    """Score one checkpoint's responses to one benchmark under the headline profile."""
    from vr1repro.evaluation.grading import grade_file, scoring_code

    settings, plan = open_run(config)
    profile, planned = settings.reporting.profile, plan.checkpoint(checkpoint)
    scores: dict[str, object] = {}
    files, made_of = {}, {}
    for protocol in plan.evaluation(planned).protocols:
        for seed in plan.evaluation_seeds(planned):
            folder = Path(plan.eval_dir(checkpoint, benchmark, protocol, seed))
            name, verdicts = str(folder.relative_to(out)), folder / "verdicts" / f"{profile}.jsonl"
            overall, *_ = grade_file(
                benchmark,
                profile,
                folder / "responses.jsonl",
                Path(plan.problems(benchmark)),
                verdicts,
                protocol=protocol,
            )
            scores[name], files[name] = overall.model_dump(mode="json"), verdicts
            made_of[name] = {"responses": file_sha(folder / "responses.jsonl"), "code": scoring_code(benchmark)}
    write_summary(out / "verdicts.json", files, scores, made_of)
