"""Problem sets and benchmarks: generated, collected or brought."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.plan import PROBLEMS
from vr1repro.config.run import LabBenchmark, LabProblems
from vr1repro.core.provenance import write_manifest
from vr1repro.jobs.common import ConfigFile, Out, open_run


def run(
    config: ConfigFile, out: Out, name: Annotated[str, typer.Option(help="Key of `problems` or `benchmarks`.")]
) -> None:
    """Generate or collect a problem set, or bring a benchmark in its own format."""
    from vr1repro.core.revisions import Revisions

    settings, plan = open_run(config)
    source = Revisions(Path(plan.root)).pinned({**settings.problems, **settings.benchmarks}[name], "dataset")
    out.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {}
    if isinstance(source, LabBenchmark):
        from vr1repro.lab.benchmarks import write_benchmark

        assert settings.lab is not None  # noqa: S101 - checked by Config
        write_benchmark(settings.lab.world, name, source.n, settings.seeds.data, out)
    elif isinstance(source, LabProblems):
        from vr1repro.core.problem_files import write_problems
        from vr1repro.lab.world import generate

        assert settings.lab is not None  # noqa: S101 - checked by Config
        problems = generate(settings.lab.world, source.partition, source.n, settings.seeds.data)
        facts["problems"] = write_problems(out / PROBLEMS, problems)
    elif name in settings.benchmarks:
        from vr1repro.problems.fetch import fetch_benchmark

        fetch_benchmark(source, out)
        return
    else:
        from vr1repro.core.problem_files import write_problems
        from vr1repro.problems.load import Skips, load_problems

        skips = Skips()
        facts["problems"] = write_problems(out / PROBLEMS, load_problems(source, skips))
        facts["skipped"] = skips.counts()
        skips.write(out / "skipped.jsonl")
    values = {"source": source.model_dump(mode="json"), "seed": settings.seeds.data}
    write_manifest(out, "problems", values, {}, facts)
