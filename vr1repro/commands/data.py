"""Commands on problems and public data: `vr1repro overlap`, `fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.errors import UserError


def overlap(
    problems: Annotated[list[Path], typer.Option(help="Training problems: a Parquet, JSONL or JSON file. Repeatable.")],
    benchmark: Annotated[list[str], typer.Option(help="SLUG=PATH: a benchmark's questions. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for overlap.json, overlap.md and pairs.jsonl.")],
    text: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on text.")] = None,
    image: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on pictures.")] = None,
    both: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on the mean of the two.")] = None,
) -> None:
    """Find training problems that are also in a benchmark, by text and by picture."""
    from vr1repro.config.problems import OverlapSettings
    from vr1repro.problems.overlap_files import compare_files

    given = {name: value for name, value in {"text": text, "image": image, "both": both}.items() if value is not None}
    typer.echo(compare_files(problems, benchmark, OverlapSettings.model_validate(given), out))


def fetch(
    what: Annotated[str, typer.Argument(help="official-outputs: public outputs with official verdicts.")],
    out: Annotated[Path, typer.Option(help="Folder, in the layout that `agreement` reads.")],
    only: Annotated[str, typer.Option(help="Only files whose target holds this text, for example mathvista.")] = "",
    site: Annotated[str | None, typer.Option(help="A mirror with the same paths.")] = None,
) -> None:
    """Download public data at pinned commits. Running again goes on where it stopped."""
    from vr1repro.published import outputs

    if what != "official-outputs":
        raise UserError(f"fetch {what}: unknown; there is official-outputs")
    wanted = [source for source in outputs.sources() if only in source.target]
    if not wanted:
        raise UserError(f"--only {only}: fits none of the files")
    for line in outputs.fetch(out, wanted, site or outputs.SITE):
        typer.echo(line)
