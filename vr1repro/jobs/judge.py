"""An LLM's judgements on a checkpoint's responses to one benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.jobs.common import ConfigFile, Out, open_run, write_summary


def run(
    config: ConfigFile,
    out: Out,
    checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")],
    benchmark: Annotated[str, typer.Option(help="Slug of the benchmark.")],
) -> None:
    """Let the LLM of the config judge one checkpoint's responses. Kept replies are not asked again."""
    from vr1repro.benchmarks import llm_stages
    from vr1repro.evaluation.extract_and_judge import LlmFiles, judge_file, outcomes
    from vr1repro.evaluation.graders import open_llm, unanswered

    settings, plan = open_run(config)
    assert settings.graders is not None  # noqa: S101 - the workflow has no such job otherwise
    planned = plan.checkpoint(checkpoint)
    reading_extraction = llm_stages.extracted(plan, planned, benchmark)
    weights, threads = plan.grader_weights(), settings.resources.graders.threads
    files, figures = {}, {}
    with open_llm(settings.graders, out / "llm" / "judge.jsonl", weights=weights, threads=threads) as llm:
        for protocol, folder in plan.eval_folders(planned, benchmark):
            for profile in llm_stages.judged(plan, planned, benchmark):
                one = LlmFiles(
                    responses=folder / "responses.jsonl",
                    questions=Path(plan.problems(benchmark)),
                    out=folder / "judgements" / f"{profile}.jsonl",
                    protocol=protocol,
                    beside=(folder / "extractions.jsonl",) if profile in reading_extraction else (),
                    apart=True,
                )
                judge_file(benchmark, profile, one, llm)
                name = f"{folder.relative_to(out)}/{profile}"
                files[name], figures[name] = one.out, {"model": llm.asker.model, **outcomes(one.out, "judgement")}
    typer.echo(llm.counts)
    unanswered(llm, settings.graders)
    write_summary(out / "judged.json", files, figures)
