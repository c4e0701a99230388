"""`vr1repro compare`: anyone's responses against published numbers and against other models."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.commands.options import BenchmarkFolders, Columns, OnceCommand, ResponseFormat, use_benchmarks
from vr1repro.core.errors import UserError

app = typer.Typer()

_AGAINST = "published:MODEL (a printed name), scores:PATH (official score file, or a folder of them), or [NAME=]PATH."


@app.command(cls=OnceCommand)
def compare(
    responses: Annotated[
        list[str],
        typer.Option(
            help="[NAME=]PATH: folder of `evaluate --out`, a run, a file of responses in any format (docs/formats.md),"
            " or a folder of them. NAME=PATH,PATH or NAME given twice: seeds of one model. Repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for run/, tables/, figures/ and report/.")],
    against: Annotated[list[str] | None, typer.Option(help=f"{_AGAINST} Repeatable.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Of bare files: mathvista, mathverse, ...")] = None,
    questions: Annotated[Path | None, typer.Option(help="Its questions, JSONL or Parquet, file or folder.")] = None,
    profile: Annotated[str, typer.Option(help="Scoring profile.")] = "rule",
    protocol: Annotated[str, typer.Option(help="Sampling protocol: single or paper.")] = "single",
    legacy_int: Annotated[bool, typer.Option(help="MathVista: integers by int(x), as its first scorer.")] = False,
    margin: Annotated[float | None, typer.Option(min=0.01, help="Declared margin in points; default 3.")] = None,
    same_weights: Annotated[
        bool, typer.Option(help="The models are the printed numbers' own, not other trainings of their recipe.")
    ] = False,
    training_sd: Annotated[
        float | None,
        typer.Option(min=0.01, help="Points by which a score differs when its recipe is trained again, if you know."),
    ] = None,
    training_sd_source: Annotated[str | None, typer.Option(help="Where you know it from; it is printed.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Grading processes.")] = 1,
    format_name: ResponseFormat = None,
    column: Columns = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Compare a model's responses with published numbers and with other models, with errors and verdicts."""
    from vr1repro.reporting.compare import foreign
    from vr1repro.reporting.compare.report import ComparisonRequest, report

    use_benchmarks(benchmark_folder)
    targets = against or []
    if unknown := [one for one in targets if one in ("published:", "scores:")]:
        raise UserError(f"--against {unknown[0]}: names nothing; {_AGAINST}")
    grading = foreign.GradingOptions(
        benchmark=benchmark,
        questions=questions,
        profile=profile,
        protocol=protocol,
        legacy_int=legacy_int,
        workers=workers,
        format=format_name,
        columns=tuple(column or ()),
    )
    known = None
    if training_sd is not None and training_sd_source:
        known = (training_sd, training_sd_source)
    elif training_sd is not None or training_sd_source is not None:
        raise UserError("--training-sd: needs --training-sd-source beside it, and the other way round")
    typer.echo(report(ComparisonRequest(responses, targets, margin, same_weights, known), grading, out))
