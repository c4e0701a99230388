"""The overlap of training problems with the benchmarks."""

from pathlib import Path

import typer

from vr1repro.config.plan import PROBLEMS
from vr1repro.core.provenance import write_manifest
from vr1repro.jobs.common import ConfigFile, Out, benchmark_source, open_run


def run(config: ConfigFile, out: Out) -> None:
    """Compare cold-start and RL problems with every benchmark of the run."""
    from vr1repro.core.problem_files import read_problems
    from vr1repro.problems.load import Skips, load_problems
    from vr1repro.problems.overlap import report
    from vr1repro.problems.overlap_files import write_report

    settings, plan = open_run(config)
    skips = Skips()
    names = plan.training_problems()
    training = (problem for name in names for problem in read_problems(Path(plan.problems(name)) / PROBLEMS))
    questions = (
        (slug, problem)
        for slug in settings.benchmarks
        for problem in load_problems(
            benchmark_source(settings, plan, slug).model_copy(update={"text_only": True}), skips, blind=True
        )
    )
    thresholds = settings.coldset.overlap
    typer.echo(write_report(*report(training, questions, thresholds), thresholds, skips, out))
    write_manifest(out, "overlap", thresholds.model_dump(mode="json"), {})
