"""What all jobs share: their command line, and where a run's settings and files are."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config import loader
from vr1repro.config.plan import Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.config.run import Config, LabBenchmark

app = typer.Typer(help="The jobs of the workflow; its rules call them.", no_args_is_help=True, add_completion=False)
ConfigFile = Annotated[Path, typer.Option("--config", help="The run's resolved config.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
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
