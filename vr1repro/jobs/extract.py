"""An LLM's extractions from a checkpoint's responses to one benchmark."""

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
    """Let the LLM of the config extract the answers of one checkpoint's responses. Kept replies are not asked again."""
    from vr1repro.evaluation.extract_and_judge import LlmFiles, extract_file, outcomes
    from vr1repro.evaluation.graders import open_llm, unanswered

    settings, plan = open_run(config)
    assert settings.graders is not None  # noqa: S101 - the workflow has no such job otherwise
    weights, threads = plan.grader_weights(), settings.resources.graders.threads
    files, figures = {}, {}
    with open_llm(settings.graders, out / "llm" / "extract.jsonl", weights=weights, threads=threads) as llm:
        for protocol, folder in plan.eval_folders(plan.checkpoint(checkpoint), benchmark):
            one = LlmFiles(
                responses=folder / "responses.jsonl",
                questions=Path(plan.problems(benchmark)),
                out=folder / "extractions.jsonl",
                protocol=protocol,
                apart=True,
            )
            extract_file(benchmark, one, llm)
            name = str(folder.relative_to(out))
            files[name], figures[name] = one.out, {"model": llm.asker.model, **outcomes(one.out, "extraction")}
    typer.echo(llm.counts)
    unanswered(llm, settings.graders)
    write_summary(out / "extracted.json", files, figures)
