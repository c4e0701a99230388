"""What all jobs share: options, the run's settings and files, the guard of finished artefacts, summaries."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config import loader
from vr1repro.config.plan import SELECTED, Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.config.run import Config, LabBenchmark
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.jsonl import count_rows
from vr1repro.core.provenance import (
    MANIFEST,
    file_sha,
    mark_planned,
    open_again,
    planned_params,
    read_manifest,
    restore_content_hash,
)

ConfigFile = Annotated[Path, typer.Option("--config", help="The run's resolved config.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Remake = Annotated[
    str,
    typer.Option(help="Folders whose finished artefact may be made again, with commas.", envvar="VR1REPRO_REMAKE"),
]
# Rules whose jobs call `guard`. Their only output is the closing file, for Snakemake removes outputs before a job.
GUARDED_RULES = ("train_sft", "train_rl_stage", "fetch_model")


def open_run(config: Path) -> tuple[Config, Plan]:
    """A run's checked config and its plan."""
    checked = loader.load(config)
    checked.limits.put_in_force()
    return checked, Plan(checked)


def benchmark_source(settings: Config, plan: Plan, slug: str) -> ProblemSource:
    """Where a benchmark's questions lie in the run, in its own format."""
    from vr1repro.problems.fetch import linked_source

    source, folder = settings.benchmarks[slug], Path(plan.problems(slug))
    if isinstance(source, LabBenchmark):
        return ProblemSource(kind="path", path=str(folder), adapter=slug)
    return linked_source(source, folder, slug)


def guard(out: Path, settings: Config, remake: str, inputs: Mapping[str, str]) -> bool:
    """Decide whether a job makes its artefact, keeps the finished one, or may do neither. All its processes agree.

    The head process has marked the folder where code and settings are those that made the artefact
    (`jobs.start`). With equal inputs as well, the finished artefact is what the job would make.

    Args:
        out: The job's folder.
        settings: The run's config.
        remake: Finished folders that may be made again, with commas.
        inputs: Content hashes of what the job would read, as its manifest names them.

    Returns:
        Whether to make it; False where the finished one stays.

    Raises:
        UserError: The artefact is finished and of something else, and `--remake` does not name it.
    """
    if not (out / MANIFEST).exists():
        return True
    if not settings.guard_finished or may_remake(out, remake):
        open_again(out)
        return True
    params = planned_params(out)
    # The mark stays in both cases: another process of the job may not have read it yet.
    if params is not None and read_manifest(out)["content"]["inputs"] == inputs:
        restore_content_hash(out)
        typer.echo(f"{out}: code, settings and the content of its inputs are unchanged; the finished one is kept")
        return False
    mark_planned(out, params)
    raise UserError(
        f"{out}: is finished, and guard_finished keeps it from being made again. `vr1repro why-rerun {out}` says"
        f" what has changed; `vr1repro accept {out}` takes it as it is; `--config remake={out}` makes it again"
    )


def may_remake(folder: Path, remake: str) -> bool:
    """Whether `--remake` names a folder, however its path is spelt."""
    return os.path.normpath(folder) in {os.path.normpath(name.strip()) for name in remake.split(",") if name.strip()}


def evidence(plan: Plan) -> dict[str, str]:
    """Hashes of the summaries and step logs that tables and figures rest on, by path below the run's folder."""
    root = Path(plan.root)
    files = [
        *root.glob("eval/*/*/verdicts.json"),
        *root.glob(f"eval/*/{SELECTED}"),
        *root.glob("train/**/steps.jsonl"),
        *root.glob("*/yield.json"),
        *root.glob("*/ablation.jsonl"),
    ]
    return {path.relative_to(root).as_posix(): file_sha(path) for path in sorted(files)}


def write_summary(
    path: Path,
    files: Mapping[str, Path],
    figures: Mapping[str, object],
    made_of: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Write the summary that tells the workflow that a checkpoint's files are complete.

    The report holds the files against it (`reporting.run.integrity`).

    Args:
        path: The file to write.
        files: What is complete, below the summary's folder, by name.
        figures: What was counted in each.
        made_of: Hashes of what each was made of, by role.
    """
    content = {
        name: {
            "file": file.relative_to(path.parent).as_posix(),
            "sha256": file_sha(file),
            "rows": count_rows(file),
            "figures": figures[name],
            **((made_of or {}).get(name) or {}),
        }
        for name, file in files.items()
    }
    write_atomically(path, json.dumps(content, indent=2, sort_keys=True) + "\n")
