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
    """Score one checkpoint's responses to one benchmark under every profile that needs no LLM, or has one's replies."""
    from vr1repro.answers.grade import Grader
    from vr1repro.benchmarks import llm_stages
    from vr1repro.evaluation.grading import grade_file, scoring_code

    settings, plan = open_run(config)
    planned = plan.checkpoint(checkpoint)
    reading_extraction = llm_stages.extracted(plan, planned, benchmark)
    reading_judgement = llm_stages.judged(plan, planned, benchmark)
    scores: dict[str, object] = {}
    files, made_of = {}, {}
    profiles = llm_stages.graded(plan, planned, benchmark)
    for _, folder in plan.eval_folders(planned, benchmark):  # of an earlier config, which no manifest would cover
        for verdicts in (folder / "verdicts").glob("*.jsonl"):
            if verdicts.stem not in profiles:
                verdicts.unlink()
    for profile in profiles:
        with Grader(settings.resources.report.threads) as grader:  # work that is equal under several seeds is done once
            for protocol, folder in plan.eval_folders(planned, benchmark):
                verdicts, beside = folder / "verdicts" / f"{profile}.jsonl", []
                if profile in reading_extraction:
                    beside.append(folder / "extractions.jsonl")
                if profile in reading_judgement:
                    beside.append(folder / "judgements" / f"{profile}.jsonl")
                overall, *_ = grade_file(
                    benchmark,
                    profile,
                    folder / "responses.jsonl",
                    Path(plan.problems(benchmark)),
                    verdicts,
                    protocol=protocol,
                    beside=beside,
                    grader=grader,
                )
                name = f"{folder.relative_to(out)}/{profile}"
                scores[name], files[name] = overall.model_dump(mode="json"), verdicts
                made_of[name] = {"responses": file_sha(folder / "responses.jsonl"), "code": scoring_code(benchmark)}
    write_summary(out / "verdicts.json", files, scores, made_of)
