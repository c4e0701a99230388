"""`vr1repro stage ...`: what each rule of the workflow runs.

A job finds its settings and inputs through the config and the plan, calls one function of its stage, and closes what it
made with a manifest. Heavy imports stand inside the jobs that need them.
"""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config import loader
from vr1repro.config.models import LabModelSource
from vr1repro.config.plan import Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.config.run import Config, LabBenchmark, LabProblems
from vr1repro.errors import UserError
from vr1repro.provenance import content_sha, file_sha, write_manifest

app = typer.Typer(help="The jobs of the workflow; its rules call them.", no_args_is_help=True, add_completion=False)

ConfigFile = Annotated[Path, typer.Option("--config", help="The run's resolved config.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
PROBLEMS = "problems.parquet"


def _open(config: Path) -> tuple[Config, Plan]:
    checked = loader.load(config)
    return checked, Plan(checked)


@app.command("problems")
def make_problems(
    config: ConfigFile, out: Out, name: Annotated[str, typer.Option(help="Key of `problems` or `benchmarks`.")]
) -> None:
    """Generate or collect a problem set, or bring a benchmark in its own format."""
    settings, _ = _open(config)
    source = {**settings.problems, **settings.benchmarks}[name]
    out.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {}
    if isinstance(source, LabBenchmark):
        from vr1repro.micro.benchmarks import write_benchmark

        assert settings.lab is not None  # noqa: S101 - checked by Config
        write_benchmark(settings.lab.world, name, source.n, settings.seeds.data, out)
    elif isinstance(source, LabProblems):
        from vr1repro.micro.world import generate
        from vr1repro.problem_files import write_problems

        assert settings.lab is not None  # noqa: S101 - checked by Config
        problems = generate(settings.lab.world, source.partition, source.n, settings.seeds.data)
        facts["problems"] = write_problems(out / PROBLEMS, problems)
    elif name in settings.benchmarks:
        from vr1repro.fetch import fetch_benchmark

        fetch_benchmark(source, out)
        return
    else:
        from vr1repro.problem_files import write_problems
        from vr1repro.problems.load import Skips, load_problems

        skips = Skips()
        facts["problems"] = write_problems(out / PROBLEMS, load_problems(source, skips))
        facts["skipped"] = skips.counts()
        skips.write(out / "skipped.jsonl")
    values = {"source": source.model_dump(mode="json"), "seed": settings.seeds.data}
    write_manifest(out, "problems", values, {}, facts)


@app.command("lab-model")
def lab_model(config: ConfigFile, out: Out) -> None:
    """Pretrain the lab's base model."""
    import json

    from vr1repro.coldset import prompts
    from vr1repro.micro.pretrain import pretrain
    from vr1repro.micro.tokenizer import Prompts

    settings, _ = _open(config)
    assert settings.lab is not None  # noqa: S101 - checked by Config
    threads, seed = settings.resources.prepare.threads, settings.seeds.data
    bridging = Prompts(pseudo_cot=prompts.PSEUDO_COT, description=prompts.DESCRIPTION)
    pretrain(settings.lab, bridging, out, seed, threads, typer.echo)
    values = {**settings.lab.model_dump(mode="json"), "seed": seed, "threads": threads}
    facts = json.loads((out / "reading.json").read_text(encoding="utf-8"))
    write_manifest(out, "model", values, {}, facts, telemetry=["timing.jsonl"])


@app.command("fetch-model")
def fetch_model(
    config: ConfigFile, out: Out, name: Annotated[str, typer.Option(help="A model's folder name under models/.")]
) -> None:
    """Bring a model from the hub or a local folder."""
    from vr1repro import fetch

    _, plan = _open(config)
    source = plan.model_sources()[name]
    assert not isinstance(source, LabModelSource)  # noqa: S101 - the rule's wildcard excludes it
    fetch.fetch_model(source, out)


@app.command("bridge")
def bridge_shard(
    config: ConfigFile, out: Out, shard: Annotated[int, typer.Option(min=0, help="Number of the shard, from 0.")]
) -> None:
    """Ask for Pseudo-CoT, description and chain of a shard's problems."""
    from contextlib import ExitStack

    from vr1repro.coldset.bridge import bridge, in_shard
    from vr1repro.coldset.engines import open_engine
    from vr1repro.problem_files import read_problems
    from vr1repro.progress import progress

    settings, plan = _open(config)
    problems = (
        problem
        for name in settings.coldset.sources
        for problem in read_problems(Path(plan.problems(name)) / PROBLEMS)
        if in_shard(problem, shard, settings.coldset.shards)
    )
    habits = None if settings.lab is None else (settings.lab.teacher, settings.lab.world.threshold)
    models = {name: Path(plan.model(name)) for name in plan.coldset_models()}
    threads = settings.resources.bridge.threads
    shards = settings.coldset.shards
    with ExitStack() as stack:
        mllm = open_engine(settings.coldset.mllm, models, habits, threads, shards, stack)
        reasoner = open_engine(settings.coldset.reasoner, models, habits, threads, shards, stack)
        bar = stack.enter_context(progress())
        found = bridge(problems, settings.coldset, mllm, reasoner, settings.seeds.data, out, bar)
    typer.echo(f"shard {shard}: " + ", ".join(f"{name} {value}" for name, value in found.items()))


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

    settings, plan = _open(config)
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
    from vr1repro.problem_files import read_problems
    from vr1repro.problems.load import Skips, load_problems
    from vr1repro.problems.overlap import report
    from vr1repro.problems.overlap_files import write_report

    settings, plan = _open(config)
    skips = Skips()
    names = plan.training_problems()
    training = (problem for name in names for problem in read_problems(Path(plan.problems(name)) / PROBLEMS))
    asked = (
        (slug, problem)
        for slug in settings.benchmarks
        for problem in load_problems(
            _benchmark_source(settings, plan, slug).model_copy(update={"text_only": True}), skips, blind=True
        )
    )
    wanted = settings.coldset.overlap
    typer.echo(write_report(*report(training, asked, wanted), wanted, skips, out))
    write_manifest(out, "overlap", wanted.model_dump(mode="json"), {})


@app.command("released-coldset")
def released_coldset(config: ConfigFile, out: Out) -> None:
    """Bring the released cold-start set and put it into our form."""
    from vr1repro.coldset.released import take

    settings, _ = _open(config)
    assert settings.coldset.released is not None  # noqa: S101 - checked by Config
    source = settings.coldset.released
    write_manifest(out, "coldset", {"source": source.model_dump(mode="json")}, {}, take(source, out))


@app.command("sft")
def train_sft(
    config: ConfigFile,
    out: Out,
    start: Annotated[str, typer.Option(help="Key of `starts`.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
) -> None:
    """Cold-start initialisation of one start."""
    from vr1repro.training import sft

    settings, plan = _open(config)
    asked = settings.starts[start]
    assert asked.sft is not None  # noqa: S101 - the plan has no such job otherwise
    threads = settings.resources.sft.threads
    sft.train(settings.sft, Path(plan.model(asked.model)), Path(plan.coldset()), asked.sft, seed, threads, out)


@app.command("rl")
def train_rl(
    config: ConfigFile,
    out: Out,
    arm: Annotated[str, typer.Option(help="Key of `arms`.")],
    stage: Annotated[int, typer.Option(min=1, help="Number of the stage, from 1.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
) -> None:
    """One GRPO stage of one arm."""
    from vr1repro.training import grpo

    settings, plan = _open(config)
    asked = settings.arms[arm]
    first = plan.last_step(arm, stage - 1)
    job = grpo.StageJob(
        arm=arm,
        number=stage,
        stage=asked.stages[stage - 1],
        first_step=first,
        kept_steps=plan.kept_steps(arm, stage),
        skip_prompts=grpo.prompts_used(settings.rl, first),
        system_prompt=asked.system_prompt,
        seed=seed,
    )
    assert asked.reward is not None  # noqa: S101 - checked by Arm
    model = Path(plan.stage_model(arm, stage - 1, seed))
    reference = Path(plan.start_model(asked.start, seed)) if settings.rl.reference == "start" else model
    problems = Path(plan.problems(job.stage.problems or settings.rl.problems)) / PROBLEMS
    threads = settings.resources.rl.threads
    grpo.train(job, settings.rl, settings.rewards[asked.reward], model, reference, problems, threads, out)


@app.command("evaluate")
def evaluate_checkpoint(
    config: ConfigFile, out: Out, checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")]
) -> None:
    """Sample one checkpoint's answers to its benchmarks, under all evaluation seeds."""
    from vr1repro.evaluation.run import BenchmarkSpec, evaluate

    settings, plan = _open(config)
    asked = plan.checkpoint(checkpoint)
    results = evaluate(
        str(plan.checkpoint_model(asked)),
        [BenchmarkSpec(slug, _benchmark_source(settings, plan, slug)) for slug in plan.benchmarks(asked.arm)],
        settings.evaluation,
        settings.seeds.evaluation,
        out.parent,
        settings.run,
        checkpoint,
        arm=asked.arm,
        train_seed=asked.seed or None,
        threads=settings.resources.evaluate.threads,
        system_prompt=settings.arms[asked.arm].system_prompt,
    )
    if (bad := [result for result in results if not result.healthy]) and not settings.evaluation.accept_unhealthy:
        raise UserError("\n".join(result.complaint() for result in bad) + "\nevaluation.accept_unhealthy takes it")
    folders = {str(result.folder.relative_to(out)): result.counts for result in results}
    _close(out / "responses.json", {name: out / name / "responses.jsonl" for name in folders}, folders)


@app.command("grade")
def grade_checkpoint(
    config: ConfigFile, out: Out, checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")]
) -> None:
    """Score one checkpoint's answers under the headline profile."""
    from vr1repro.evaluation.grading import grade_file

    settings, plan = _open(config)
    asked = plan.checkpoint(checkpoint)
    profile = settings.reporting.profile
    found: dict[str, object] = {}
    files = {}
    for slug in plan.benchmarks(asked.arm):
        questions = Path(plan.problems(slug))
        for protocol in settings.evaluation.protocols:
            for seed in settings.seeds.evaluation:
                folder = Path(plan.eval_dir(checkpoint, slug, protocol, seed))
                verdicts = folder / "verdicts" / f"{profile}.jsonl"
                scores = grade_file(slug, profile, folder / "responses.jsonl", questions, verdicts, protocol=protocol)
                name = str(folder.relative_to(out))
                found[name] = scores[0].model_dump(mode="json")
                files[name] = verdicts
    _close(out / "verdicts.json", files, found)


def _close(summary: Path, files: dict[str, Path], figures: dict[str, object] | dict[str, dict[str, int]]) -> None:
    """Write the summary that tells the workflow that a checkpoint's files are complete."""
    import json

    from vr1repro.files import write_atomically

    content = {name: {"sha256": file_sha(path), "figures": figures[name]} for name, path in files.items()}
    write_atomically(summary, json.dumps(content, indent=2, sort_keys=True) + "\n")


@app.command("tables")
def make_tables(config: ConfigFile, out: Out) -> None:
    """Write every table, the tidy scores, and a row for each published number."""
    from vr1repro.reporting import build

    results, plan = build.open_run(config)
    build.make_tables(results, out, plan.config)
    build.make_scores(results, out / "scores.csv")
    write_manifest(out, "tables", plan.config.reporting.model_dump(mode="json"), _evidence(plan))


@app.command("figures")
def draw_figures(config: ConfigFile, out: Out) -> None:
    """Draw every figure."""
    from vr1repro.reporting import build

    results, plan = build.open_run(config)
    build.make_figures(results, out)
    write_manifest(out, "figures", plan.config.reporting.model_dump(mode="json"), _evidence(plan))


@app.command("report")
def make_report(config: ConfigFile, out: Out) -> None:
    """Write the report's pages, and print how each arm came out."""
    from vr1repro.reporting import build

    results, plan = build.open_run(config)
    text, figures = config.read_text(encoding="utf-8"), Path(plan.root) / "figures"
    build.make_report(results, out, figures, text, plan.config)
    typer.echo(build.summary(results))


def _evidence(plan: Plan) -> dict[str, str]:
    """Hashes of the verdicts and step logs that tables and figures rest on, by path below the run's folder."""
    root = Path(plan.root)
    files = [*root.glob("eval/*/verdicts.json"), *root.glob("train/**/steps.jsonl"), *root.glob("*/yield.json")]
    return {path.relative_to(root).as_posix(): file_sha(path) for path in sorted(files)}


def _benchmark_source(settings: Config, plan: Plan, slug: str) -> ProblemSource:
    """Where a benchmark's questions lie in the run, in its own format."""
    from vr1repro.fetch import linked_source

    source, folder = settings.benchmarks[slug], Path(plan.problems(slug))
    if isinstance(source, LabBenchmark):
        return ProblemSource(kind="path", path=str(folder), adapter=slug)
    return linked_source(source, folder, slug)
