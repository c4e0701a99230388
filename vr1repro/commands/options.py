"""Options that several commands share."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from vr1repro.core import benchmark_folders
from vr1repro.core.errors import UserError
from vr1repro.jobs.interrupts import STOPPED

if TYPE_CHECKING:
    from typer import Context

BenchmarkFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--benchmark-folder",
        help="Folder of a further benchmark (docs/benchmarks.md); its name is the slug. Its Python code is run."
        " Repeatable.",
    ),
]

ResponseFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of the responses: lm-eval, lmms-eval, vlmevalkit, mathvista, mathvision, jsonl, json, csv, tsv or"
        " xlsx. By default it is told by the content (docs/formats.md).",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="ROLE=NAME: the column of id, response, extraction or eval_seed. Repeatable."),
]


class OnceCommand(TyperCommand):
    """A command that refuses a second value of an option that takes one, of which the parser would drop the first."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:  # type: ignore[override]  # typer.Context
        """Parse the words of a command line.

        Raises:
            UserError: An option stands more often than it takes values.
        """
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option, count in Counter(given).items():
            single = option.param_type_name == "option" and not getattr(option, "is_flag", False)
            if count > 1 and single and not option.multiple:
                raise UserError(f"{option.opts[0]}: given {count} times, and takes one value; keep one")
        return super().parse_args(ctx, args)


@contextmanager
def resumable() -> Iterator[None]:
    """Work that goes on where it was when its command is given again; who stops it is told so."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(STOPPED, err=True)
        raise typer.Exit(130) from None


def use_benchmarks(folders: list[Path] | None) -> None:
    """Let the folders of a command line be benchmarks.

    Raises:
        UserError: A folder is no benchmark, or its name is taken.
    """
    benchmark_folders.use(folders or [])
