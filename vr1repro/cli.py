"""The command line: evaluate, grade, look at and keep runs; and what the workflow's rules call (`vr1repro stage`)."""

import os
import sys
from typing import Annotated

import typer

from vr1repro import __version__, jobs
from vr1repro.commands import comparing, data, evaluating, grading, runs
from vr1repro.errors import UserError

app = typer.Typer(
    name="vr1repro",
    help="Reproduce Vision-R1 (arXiv 2503.06749), and evaluate any model under its benchmarks' protocols.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(jobs.app, name="stage")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Nothing runs before a command."""


for _command in (
    evaluating.evaluate,
    grading.grade,
    grading.compare_graders,
    grading.extract,
    grading.judge,
    grading.equivalent,
    grading.agreement,
    evaluating.tasks,
    comparing.compare,
    data.overlap,
    data.fetch,
    runs.check,
    runs.watch,
    runs.keep,
    runs.redraw,
    runs.why,
):
    app.command()(_command)


def main() -> None:
    """Run the command line; a mistake of the user's is one message and exit code 2, no traceback."""
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output went away (`vr1repro ... | head`); it has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
