"""Commands on the paper's statements: `vr1repro claims` and `vr1repro words`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError

app = typer.Typer()


@app.command()
def claims(
    run: Annotated[Path, typer.Option(help="A run's folder, or a kept run.")] = Path("results/micro"),
) -> None:
    """Print what a run says of the numbers that the paper is quoted for, and of each phenomenon."""
    from vr1repro.published import load_values
    from vr1repro.reporting.claims.comparison import compare_published
    from vr1repro.reporting.claims.overview import headlines
    from vr1repro.reporting.claims.phenomena import phenomena
    from vr1repro.reporting.lineage import archive
    from vr1repro.reporting.run.results import open_run
    from vr1repro.reporting.tables.our_tables import headline_table, phenomena_table
    from vr1repro.reporting.tables.render import markdown

    with archive.folder_of(run) as (folder, kept):
        results, _ = open_run(run / archive.CONFIG, folder, kept=kept)
        typer.echo(markdown(headline_table(results, headlines(compare_published(load_values(), results)))))
        typer.echo(markdown(phenomena_table(results, phenomena(results))))


@app.command()
def words(
    sets: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="NAME=PATH: llava-cot or mulberry with its problems.parquet, JSON or JSONL; coldset with its folder."
            " Repeatable.",
        ),
    ],
) -> None:
    """Count Table 4's words under every counting rule, and rank the rules by distance to the printed counts."""
    from vr1repro.reporting.run.counting_rules import COLUMNS, count_set, texts_of
    from vr1repro.reporting.tables.our_tables import words_table
    from vr1repro.reporting.tables.render import markdown

    paths: dict[str, Path] = {}
    for one in sets:
        name, given, path = one.partition("=")
        if not given or name not in COLUMNS:
            raise UserError(f"--set {one}: give NAME=PATH with a name of {', '.join(COLUMNS)}")
        if not Path(path).exists():
            raise UserError(f"--set {one}: no such file or folder")
        paths[name] = Path(path)
    typer.echo(markdown(words_table([count_set(name, texts_of(name, path)) for name, path in paths.items()])))
