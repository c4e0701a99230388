"""Commands on problems and data: `vr1repro overlap`, `fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.commands.options import BenchmarkFolders, use_benchmarks
from vr1repro.core.errors import UserError

app = typer.Typer()


@app.command()
def overlap(
    problems: Annotated[list[Path], typer.Option(help="Training problems: a Parquet, JSONL or JSON file. Repeatable.")],
    benchmark: Annotated[list[str], typer.Option(help="SLUG=PATH: a benchmark's questions. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for overlap.json, overlap.md and pairs.jsonl.")],
    text: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on text.")] = None,
    image: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on pictures.")] = None,
    both: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on the mean of the two.")] = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Find training problems that are also in a benchmark, by text and by picture."""
    from vr1repro.config.problems import OverlapSettings
    from vr1repro.problems.overlap_files import compare_files

    use_benchmarks(benchmark_folder)
    given = {name: value for name, value in {"text": text, "image": image, "both": both}.items() if value is not None}
    typer.echo(compare_files(problems, benchmark, OverlapSettings.model_validate(given), out))


@app.command()
def fetch(
    config: Annotated[Path, typer.Argument(help="A config file: its models and data sets.")],
) -> None:
    """Download at pinned commits what a config takes from the hub. Running again goes on."""
    from vr1repro.cluster.prefetch import fetch_all
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan

    if not config.is_file():
        raise UserError(f"fetch {config}: no such config file")
    nothing = True
    for line in fetch_all(Plan(load(config))):
        typer.echo(line)
        nothing = False
    if nothing:
        typer.echo(f"{config}: takes nothing from the hub; there is nothing to fetch")
