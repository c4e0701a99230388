"""Modality Bridging of one shard."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.plan import PROBLEMS
from vr1repro.core.provenance import close_files
from vr1repro.jobs.common import ConfigFile, Out, open_run


def run(
    config: ConfigFile, out: Out, shard: Annotated[int, typer.Option(min=0, help="Number of the shard, from 0.")]
) -> None:
    """Ask for Pseudo-CoT, description and chain of a shard's problems."""
    from contextlib import ExitStack

    from vr1repro.coldset.bridge import bridge, in_shard
    from vr1repro.coldset.bridge_model import JobContext
    from vr1repro.coldset.models import open_model
    from vr1repro.coldset.records import ABLATION
    from vr1repro.core.problem_files import read_problems
    from vr1repro.core.progress import progress

    settings, plan = open_run(config)
    problems = (
        problem
        for name in settings.coldset.sources
        for problem in read_problems(Path(plan.problems(name)) / PROBLEMS)
        if in_shard(problem, shard, settings.coldset.shards)
    )
    lab = settings.lab
    with ExitStack() as stack:
        context = JobContext(
            folders={name: Path(plan.model(name)) for name in plan.coldset_models()},
            threads=settings.resources.bridge.threads,
            shards=settings.coldset.shards,
            teacher=None if lab is None else lab.teacher,
            threshold=0 if lab is None else lab.world.threshold,
            stack=stack,
        )
        mllm = open_model(settings.coldset.mllm, context)
        reasoner = open_model(settings.coldset.reasoner, context)
        bar = stack.enter_context(progress())
        counts = bridge(problems, settings.coldset, mllm, reasoner, settings.seeds.data, out, bar)
    close_files(out, [out / "drafts.jsonl", out / ABLATION])
    typer.echo(f"shard {shard}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))
