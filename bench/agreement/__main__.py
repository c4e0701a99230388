"""`python -m bench.agreement fetch|measure`, from the repository's root."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bench.agreement import errors, measure, outputs
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError

app = typer.Typer(help="Our graders against other people's published verdicts.", no_args_is_help=True)


@app.command("fetch")
def fetch(
    out: Annotated[Path, typer.Option(help="Folder, in the layout that `measure` reads.")],
    only: Annotated[str, typer.Option(help="Only files whose target holds this text, for example mathvista.")] = "",
    site: Annotated[str, typer.Option(help="A mirror with the same paths.")] = outputs.SITE,
) -> None:
    """Download other people's published verdicts at pinned commits. Running again goes on."""
    chosen = [source for source in outputs.sources() if only in source.target]
    if not chosen:
        raise UserError(f"--only {only}: fits none of the files")
    for line in outputs.fetch(out, chosen, site):
        typer.echo(line)


@app.command("measure")
def measure_agreement(
    data: Annotated[Path, typer.Option(help="Folder of public outputs: mathvista/, mathvision/, r1v/, grader_cases/.")],
    out: Annotated[Path, typer.Option(help="Folder for agreement.csv and grader_cases.csv.")],
    workers: Annotated[int, typer.Option(min=1, help="Grading processes.")] = 1,
) -> None:
    """Measure our graders against the verdicts, file by file."""
    rows, disagreements = measure.measure(data, workers=workers)
    measure.write(rows, disagreements, out)
    typer.echo(measure.table(rows))


@app.command("errors")
def measure_errors(
    data: Annotated[Path, typer.Option(help="Folder of public outputs, with mathvista/.")],
    out: Annotated[Path, typer.Option(help="The table, JSON.")],
    workers: Annotated[int, typer.Option(min=1, help="Grading processes.")] = 1,
) -> None:
    """Measure `rule`'s errors as a stand-in for MathVista's official scorer, and check them family by family."""
    with TemporaryDirectory() as aside:
        files = list(errors.measured_files(data, Path(aside), workers))
    errors.write(files, out)
    typer.echo(errors.check(files, ReportSettings().confidence))


def main() -> None:
    """Run the command line; a mistake of the user's is one message and exit code 2."""
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
