"""What all jobs share: options, the run's settings and files, the guard of finished artefacts, summaries."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.config.run import Config, LabBenchmark
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import MANIFEST, file_sha, open_again

ConfigFile = Annotated[Path, typer.Option("--config", help="The run's resolved config.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Remake = Annotated[
    str,
    typer.Option(help="Folders whose finished artefact may be made again, with commas.", envvar="VR1REPRO_REMAKE"),
]
PROBLEMS = "problems.parquet"


def open_run(config: Path) -> tuple[Config, Plan]:
    """A run's checked config and its plan."""
    checked = loader.load(config)
    return checked, Plan(checked)


def benchmark_source(settings: Config, plan: Plan, slug: str) -> ProblemSource:
    """Where a benchmark's questions lie in the run, in its own format."""
    from vr1repro.core.fetch import linked_source

    source, folder = settings.benchmarks[slug], Path(plan.problems(slug))
    if isinstance(source, LabBenchmark):
        return ProblemSource(kind="path", path=str(folder), adapter=slug)
    return linked_source(source, folder, slug)


def guard(out: Path, settings: Config, remake: str) -> None:
    """Refuse to make a finished artefact again where the config says that it cost too much.

    Raises:
        UserError: The folder is finished, `guard_finished` is on, and `--remake` does not name it.
    """
    if not (out / MANIFEST).exists():
        return
    if settings.guard_finished and out.as_posix() not in remake.split(","):
        raise UserError(
            f"{out}: is finished, and guard_finished keeps it from being made again. `vr1repro why-rerun {out}` says"
            f" what has changed; `snakemake --touch` takes it as it is; `--config remake={out}` makes it again"
        )
    open_again(out)


def evidence(plan: Plan) -> dict[str, str]:
    """Hashes of the verdicts and step logs that tables and figures rest on, by path below the run's folder."""
    root = Path(plan.root)
    files = [*root.glob("eval/*/*/verdicts.json"), *root.glob("train/**/steps.jsonl"), *root.glob("*/yield.json")]
    return {path.relative_to(root).as_posix(): file_sha(path) for path in sorted(files)}


def write_summary(path: Path, files: Mapping[str, Path], figures: Mapping[str, object]) -> None:
    """Write the summary that tells the workflow that a checkpoint's files are complete: their hashes and figures."""
    content = {name: {"sha256": file_sha(file), "figures": figures[name]} for name, file in files.items()}
    write_atomically(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
