"""Commands on problems and public data: `vr1repro overlap`, `fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.errors import UserError


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
    what: Annotated[
        str, typer.Argument(help="A config file: its models and data sets. Or official-outputs: public verdicts.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="official-outputs: folder, in the layout that `agreement` reads.")
    ] = None,
    only: Annotated[
        str, typer.Option(help="official-outputs: only files whose target holds this text, for example mathvista.")
    ] = "",
    site: Annotated[str | None, typer.Option(help="official-outputs: a mirror with the same paths.")] = None,
) -> None:
    """Download at pinned commits what a config takes from the hub, or public data. Running again goes on."""
    if what != "official-outputs":
        _fetch_config(Path(what))
        return
    from vr1repro.published import outputs

    if out is None:
        raise UserError("fetch official-outputs: needs --out FOLDER")
    wanted = [source for source in outputs.sources() if only in source.target]
    if not wanted:
        raise UserError(f"--only {only}: fits none of the files")
    for line in outputs.fetch(out, wanted, site or outputs.SITE):
        typer.echo(line)


def _fetch_config(path: Path) -> None:
    from vr1repro.cluster.prefetch import fetch_all
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan

    if not path.is_file():
        raise UserError(f"fetch {path}: neither a config file nor official-outputs")
    for line in fetch_all(Plan(load(path))):
        typer.echo(line)
