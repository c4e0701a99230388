"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core import benchmark_folders

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


def use_benchmarks(folders: list[Path] | None) -> None:
    """Let the folders of a command line be benchmarks.

    Raises:
        UserError: A folder is no benchmark, or its name is taken.
    """
    benchmark_folders.use(folders or [])
