"""Measure a scorer: `vr1repro scorer-errors`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.commands.options import BenchmarkFolders, use_benchmarks

app = typer.Typer()


@app.command("scorer-errors")
def scorer_errors(
    benchmark: Annotated[str, typer.Option(help="Slug of the benchmark.")],
    profile: Annotated[str, typer.Option(help="The scoring profile that is measured.")],
    questions: Annotated[Path, typer.Option(help="The benchmark's questions.")],
    pair: Annotated[
        list[str],
        typer.Option(
            help="FAMILY=OURS,THEIRS: verdicts that `vr1repro grade` wrote, and JSONL with the other scorer's on the"
            " same rows. Models that answer in one style are one family. Repeatable; four families or more measure."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The table, JSON, for `reporting.scorer_errors`.")],
    stands_for: Annotated[str, typer.Option(help="What the other scorer is called.")] = "official",
    key: Annotated[str, typer.Option(help="Where THEIRS has the verdict.")] = "verdict",
    kinds: Annotated[
        str | None, typer.Option(help="Group of scores whose names are the kinds of question; default: the first.")
    ] = None,
    llm: Annotated[
        str | None, typer.Option(help="The LLM that extracted or judged, as `graders.llm` names it.")
    ] = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Measure how far a scorer's verdicts are from another's, for the intervals of a run's scores."""
    from vr1repro.benchmarks import lookup
    from vr1repro.config.reporting import ReportSettings
    from vr1repro.core.files import write_atomically
    from vr1repro.reporting.compare.scorer_errors import measure, misses_and_slips, pairs_of

    use_benchmarks(benchmark_folder)
    table = measure(
        lookup.facts(benchmark), questions, pairs_of(pair), profile=profile, stands_for=stands_for, key=key,
        group=kinds, llm=llm,
    )  # fmt: skip
    write_atomically(out, table.model_dump_json(indent=1) + "\n")
    typer.echo(misses_and_slips(table.files, ReportSettings().confidence))
