"""The command line: evaluate, grade, look at and keep runs; and what the workflow's rules call (`vr1repro stage`)."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vr1repro import __version__, jobs
from vr1repro.errors import UserError

app = typer.Typer(
    name="vr1repro",
    help="Reproduce Vision-R1 (arXiv 2503.06749), and evaluate any model under its benchmarks' protocols.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(jobs.app, name="stage")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Nothing runs before a command."""


Benchmark = Annotated[str, typer.Option(help="mathvista, mathverse, mmmath, dynamath or mathvision.")]
Workers = Annotated[int, typer.Option(min=1, help="Grading processes.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one comparison; past it the worker is killed.")]


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="Checkpoint folder, owner/name@commit on the hub, or an endpoint's URL.")],
    out: Annotated[Path, typer.Option(help="Folder for responses, verdicts and scores.")],
    benchmarks: Annotated[str, typer.Option(help="Slugs, with commas.")] = "mathvista,mathverse,mmmath",
    data: Annotated[
        list[str] | None, typer.Option(help="SLUG=PATH: take a benchmark from a local file or folder. Repeatable.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="single, paper or both (with a comma).")] = "single",
    profile: Annotated[str, typer.Option(help="Scoring profile.")] = "rule",
    seeds: Annotated[int, typer.Option(min=1, help="How many evaluation seeds.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first questions of each benchmark.")] = None,
    engine: Annotated[str, typer.Option(help="transformers, vllm, or openai for an endpoint.")] = "",
    engine_options: Annotated[
        str, typer.Option(help="Further keys of `evaluation.engine` as a JSON object, for example a server's `extra`.")
    ] = "{}",
    batch_size: Annotated[int, typer.Option(min=1, help="Prompts a batch (transformers).")] = 16,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy. The paper's evaluation code: 0.6.")] = 0.6,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="The paper's evaluation code: 0.95.")] = 0.95,
    max_tokens: Annotated[int, typer.Option(min=1, help="The paper's evaluation code: 16000.")] = 16000,
    preset: Annotated[str, typer.Option(help="What replies look like: think-answer, boxed or plain.")] = "boxed",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    name: Annotated[str | None, typer.Option(help="Name of the model in the results.")] = None,
) -> None:
    """Evaluate any model under the benchmarks' protocols, and grade its answers. Running again resumes."""
    from vr1repro.evaluation import anyone

    asked = anyone.Wishes(
        model=model, benchmarks=benchmarks.split(","), data=data or [], protocols=protocol.split(","), profile=profile,
        seeds=seeds, limit=limit, engine=engine, batch_size=batch_size, temperature=temperature, top_p=top_p,
        max_tokens=max_tokens, preset=preset, threads=threads, name=name, engine_options=engine_options,
    )  # fmt: skip
    typer.echo(anyone.evaluate_and_grade(asked, out))


@app.command()
def grade(
    benchmark: Benchmark,
    responses: Annotated[Path, typer.Option(help="JSONL with an id and `response`, optional `extraction`.")],
    questions: Annotated[Path, typer.Option(help="The benchmark's questions, JSONL or Parquet, file or folder.")],
    out: Annotated[Path, typer.Option(help="JSONL of verdicts.")],
    profile: Annotated[
        str,
        typer.Option(help="official, rule, vlmevalkit, lmms-eval (not MM-Math) or strict (MM-Math)."),
    ] = "rule",
    workers: Workers = 1,
    timeout: Timeout = 5.0,
    protocol: Annotated[
        str | None, typer.Option(help="Which attempt counts: single or paper. By default every row is graded.")
    ] = None,
    legacy_int: Annotated[bool, typer.Option(help="MathVista: integers by int(x), as its first scorer.")] = False,
) -> None:
    """Score saved responses; prints the overall score and the benchmark's sub-scores."""
    from vr1repro.evaluation.grading import grade_file, summary
    from vr1repro.evaluation.protocols import named

    scores = grade_file(
        benchmark, profile, responses, questions, out, workers=workers, timeout_s=timeout, legacy_int=legacy_int,
        protocol=named(protocol) if protocol else None,
    )  # fmt: skip
    typer.echo(summary(scores))


@app.command()
def compare_graders(
    benchmark: Benchmark,
    responses: Annotated[Path, typer.Option(help="JSONL with an id and `response`, optional `extraction`.")],
    questions: Annotated[Path, typer.Option(help="The benchmark's questions, JSONL or Parquet, file or folder.")],
    out: Annotated[Path, typer.Option(help="Folder for verdicts, tables and the page of rows that differ.")],
    workers: Workers = 1,
    timeout: Timeout = 5.0,
    protocol: Annotated[str | None, typer.Option(help="Which attempt counts: single or paper.")] = None,
) -> None:
    """Score saved responses under every profile, and show where the profiles differ and why."""
    from vr1repro.evaluation import matrix
    from vr1repro.evaluation.protocols import named

    typer.echo(
        matrix.compare(
            benchmark, responses, questions, out, workers=workers, timeout_s=timeout,
            protocol=named(protocol) if protocol else None,
        )
    )  # fmt: skip
    typer.echo(f"page: {out / 'index.html'}")


Endpoint = Annotated[
    str | None, typer.Option(help="OpenAI-compatible endpoint. Without one the cache alone is replayed.")
]
JudgeModel = Annotated[str, typer.Option(help="The LLM's name at its endpoint; part of each cache key.")]
Cache = Annotated[Path, typer.Option(help="JSONL of the LLM's replies by request hash; made where it is missing.")]
Examples = Annotated[
    Path | None, typer.Option(help="Text file of few-shot examples, for the official prompt; not shipped.")
]


@app.command()
def extract(
    benchmark: Benchmark,
    responses: Annotated[Path, typer.Option(help="JSONL with an id and `response`.")],
    questions: Annotated[Path, typer.Option(help="The benchmark's questions, JSONL or Parquet, file or folder.")],
    out: Annotated[Path, typer.Option(help="The same rows with `extraction`, for `grade`.")],
    cache: Cache,
    model: JudgeModel,
    endpoint: Endpoint = None,
    examples: Examples = None,
    last_words: Annotated[int | None, typer.Option(min=1, help="Keep only a response's last words.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one request.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="Tries after a failed request.")] = 3,
) -> None:
    """Let an LLM extract the final answers of saved responses. Running again asks only what is missing."""
    from vr1repro.evaluation import stages
    from vr1repro.evaluation.llm import Asker

    asker = Asker(model, endpoint, concurrency=concurrency, timeout_s=timeout, retries=retries)
    counts = stages.extract_file(
        benchmark, responses, questions, out, cache, asker, examples=examples, last_words=last_words
    )
    typer.echo(f"replies: {counts.cached} from the cache, {counts.asked} asked, {counts.failed} failed")


@app.command()
def judge(
    benchmark: Benchmark,
    responses: Annotated[Path, typer.Option(help="JSONL with an id, `response` and, but for lmms-eval, `extraction`.")],
    questions: Annotated[Path, typer.Option(help="The benchmark's questions, JSONL or Parquet, file or folder.")],
    out: Annotated[Path, typer.Option(help="The same rows with `judgement`, for `grade`.")],
    cache: Cache,
    model: JudgeModel,
    profile: Annotated[str, typer.Option(help="Scoring profile that the judgement is for.")] = "official",
    endpoint: Endpoint = None,
    examples: Examples = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 16,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for one request.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="Tries after a failed request.")] = 3,
) -> None:
    """Let an LLM judge answers with 0 or 1. Running again asks only what is missing."""
    from vr1repro.evaluation import stages
    from vr1repro.evaluation.llm import Asker

    asker = Asker(model, endpoint, concurrency=concurrency, timeout_s=timeout, retries=retries)
    counts = stages.judge_file(benchmark, profile, responses, questions, out, cache, asker, examples=examples)
    typer.echo(f"replies: {counts.cached} from the cache, {counts.asked} asked, {counts.failed} failed")


@app.command()
def overlap(
    problems: Annotated[list[Path], typer.Option(help="Training problems: a Parquet, JSONL or JSON file. Repeatable.")],
    benchmark: Annotated[list[str], typer.Option(help="SLUG=PATH: a benchmark's questions. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for overlap.json, overlap.md and pairs.jsonl.")],
    text: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on text.")] = None,
    image: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on pictures.")] = None,
    both: Annotated[float | None, typer.Option(min=0, max=1, help="Threshold on the mean of the two.")] = None,
) -> None:
    """Find training problems that are also in a benchmark, by text and by picture."""
    from vr1repro.config.problems import OverlapSettings
    from vr1repro.problems.overlap_files import compare_files

    given = {name: value for name, value in {"text": text, "image": image, "both": both}.items() if value is not None}
    typer.echo(compare_files(problems, benchmark, OverlapSettings.model_validate(given), out))


@app.command()
def equivalent(
    pairs: Annotated[Path, typer.Option(help="JSONL with `gold` and `pred`.")],
    out: Annotated[Path, typer.Option(help="JSONL of verdicts.")],
    workers: Workers = 1,
    timeout: Timeout = 5.0,
) -> None:
    """Compare bare pairs of a gold and a predicted answer."""
    from vr1repro.evaluation.grading import equivalent_file

    for outcome, n in equivalent_file(pairs, out, workers=workers, timeout_s=timeout).items():
        typer.echo(f"{outcome.value:12} {n}")


@app.command()
def agreement(
    data: Annotated[Path, typer.Option(help="Folder of public outputs: mathvista/, mathvision/, r1v/, grader_cases/.")],
    out: Annotated[Path, typer.Option(help="Folder for agreement.csv and grader_cases.csv.")],
    workers: Workers = 1,
) -> None:
    """Measure our graders against other people's published verdicts, file by file."""
    from vr1repro.evaluation import agreement as measured

    rows, disagreements = measured.measure(data, workers=workers)
    measured.write(rows, disagreements, out)
    typer.echo(measured.table(rows))


@app.command()
def fetch(
    what: Annotated[str, typer.Argument(help="official-outputs: public outputs with official verdicts.")],
    out: Annotated[Path, typer.Option(help="Folder, in the layout that `agreement` reads.")],
    only: Annotated[str, typer.Option(help="Only files whose target holds this text, for example mathvista.")] = "",
    site: Annotated[str | None, typer.Option(help="A mirror with the same paths.")] = None,
) -> None:
    """Download public data at pinned commits. Running again goes on where it stopped."""
    from vr1repro.published import outputs

    if what != "official-outputs":
        raise UserError(f"fetch {what}: unknown; there is official-outputs")
    wanted = [source for source in outputs.sources() if only in source.target]
    if not wanted:
        raise UserError(f"--only {only}: fits none of the files")
    for line in outputs.fetch(out, wanted, site or outputs.SITE):
        typer.echo(line)


@app.command()
def keep(
    config: Annotated[Path, typer.Option(help="The run's resolved config, results/<run>/config.yaml.")],
    out: Annotated[Path, typer.Option(help="Folder to write, for example results/reference/micro.")],
) -> None:
    """Keep a finished run as one small archive of its evidence, without weights."""
    from vr1repro.reporting import reference

    size = reference.keep(config.parent, out)
    typer.echo(f"{out / reference.EVIDENCE}: {size / 1e6:.1f} MB")


@app.command()
def redraw(
    reference: Annotated[Path, typer.Option(help="A kept run.")],
    out: Annotated[Path, typer.Option(help="Folder for tables/, figures/ and report/.")],
) -> None:
    """Make the tables, figures and page of a kept run again, from its archive alone."""
    from vr1repro.reporting import build
    from vr1repro.reporting import reference as kept

    config = reference / kept.CONFIG
    with kept.opened(reference) as run:
        results, plan = build.open_run(config, run)
        build.make_tables(results, out / "tables", plan.config)
        build.make_scores(results, out / "tables" / "scores.csv")
        build.make_figures(results, out / "figures")
        text = config.read_text(encoding="utf-8")
        build.make_report(results, out / "report" / "index.html", out / "figures", text, plan.config)
        typer.echo(build.summary(results))


@app.command()
def watch(
    run: Annotated[Path, typer.Argument(help="A run's folder, results/<run>.")],
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once.")] = False,
) -> None:
    """Watch a run's training: curves, reward outcomes, times, sampled completions. Ctrl-C ends the watching only."""
    from vr1repro.reporting.watch import watch as show

    show(run, every, once)


@app.command()
def tasks(
    names: Annotated[bool, typer.Option("--list", help="List them, and the benchmarks that are not run here.")] = False,
) -> None:
    """Print the folder of lm-eval tasks, for `lm_eval --include_path "$(vr1repro tasks)"`."""
    from vr1repro.evaluation.tasks import FOLDER, elsewhere

    typer.echo(elsewhere.listing() if names else FOLDER)


@app.command()
def check(config: Annotated[Path, typer.Argument(help="A config file.")]) -> None:
    """Check a config and list what it makes."""
    from vr1repro.config.loader import load
    from vr1repro.config.plan import Plan

    plan = Plan(load(config))
    for arm in plan.config.run_arms:
        for checkpoint in plan.final_checkpoints(arm):
            typer.echo(f"{arm:24} {plan.checkpoint_model(checkpoint)}")


def main() -> None:
    """Run the command line; a mistake of the user's is one message and exit code 2, no traceback."""
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of our output went away (`vr1repro ... | head`); it has what it wanted.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
