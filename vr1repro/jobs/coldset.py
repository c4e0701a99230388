"""The cold-start set: bridging, merging, overlap."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.provenance import content_sha, file_sha, write_manifest
from vr1repro.jobs.common import PROBLEMS, ConfigFile, Out, app, benchmark_source, open_run


@app.command("bridge")
def bridge_shard(
    config: ConfigFile, out: Out, shard: Annotated[int, typer.Option(min=0, help="Number of the shard, from 0.")]
) -> None:
    """Ask for Pseudo-CoT, description and chain of a shard's problems."""
    from contextlib import ExitStack

    from vr1repro.coldset.bridge import bridge, in_shard
    from vr1repro.coldset.models import JobContext, open_model
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
    typer.echo(f"shard {shard}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))


@app.command("coldset")
def build_coldset(
    config: ConfigFile,
    out: Out,
    drafts: list[Path],
    overlap: Annotated[
        Path | None, typer.Option(help="Folder of the overlap report, for `coldset.overlap.drop`.")
    ] = None,
) -> None:
    """Filter and polish the drafts of all shards, and export the cold-start set."""
    from vr1repro.coldset.merge import merge, read_dropped
    from vr1repro.coldset.spending import write_costs
    from vr1repro.problems.overlap_files import PAIRS

    settings, plan = open_run(config)
    sources = {name: Path(plan.problems(name)) / PROBLEMS for name in settings.coldset.sources}
    workers = settings.resources.report.threads
    dropped = read_dropped(overlap / PAIRS) if overlap is not None and settings.coldset.overlap.drop else frozenset()
    found = merge(list(sources.values()), drafts, settings.coldset, out, workers, dropped)
    write_costs([path.parent for path in drafts], found["kept"], out / "cost.json")
    inputs = {**{name: file_sha(path) for name, path in sources.items()}}
    inputs |= {name: content_sha(Path(plan.model(name))) for name in plan.coldset_models()}
    inputs |= {"overlap": file_sha(overlap / PAIRS)} if overlap is not None else {}
    kept = {"problems": found["problems"], "kept": found["kept"]}
    values = settings.coldset.model_dump(mode="json", exclude={"shards"})
    shards = [path.relative_to(out).as_posix() for path in (out / "shards").rglob("*") if path.is_file()]
    telemetry = ["cost.json", *(Path(name).name for name in shards)]
    write_manifest(out, "coldset", values, inputs, kept, telemetry=telemetry)
    typer.echo(f"kept {found['kept']} of {found['problems']}")


@app.command("overlap")
def find_overlap(config: ConfigFile, out: Out) -> None:
    """Compare cold-start and RL problems with every benchmark of the run."""
    from vr1repro.core.problem_files import read_problems
    from vr1repro.problems.load import Skips, load_problems
    from vr1repro.problems.overlap import report
    from vr1repro.problems.overlap_files import write_report

    settings, plan = open_run(config)
    skips = Skips()
    names = plan.training_problems()
    training = (problem for name in names for problem in read_problems(Path(plan.problems(name)) / PROBLEMS))
    asked = (
        (slug, problem)
        for slug in settings.benchmarks
        for problem in load_problems(
            benchmark_source(settings, plan, slug).model_copy(update={"text_only": True}), skips, blind=True
        )
    )
    wanted = settings.coldset.overlap
    typer.echo(write_report(*report(training, asked, wanted), wanted, skips, out))
    write_manifest(out, "overlap", wanted.model_dump(mode="json"), {})


@app.command("released-coldset")
def released_coldset(config: ConfigFile, out: Out) -> None:
    """Bring the released cold-start set and put it into our form."""
    from vr1repro.coldset.released import take

    settings, _ = open_run(config)
    assert settings.coldset.released is not None  # noqa: S101 - checked by Config
    source = settings.coldset.released
    write_manifest(out, "coldset", {"source": source.model_dump(mode="json")}, {}, take(source, out))
