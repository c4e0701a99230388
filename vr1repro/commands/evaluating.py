"""Commands that run a model: `vr1repro evaluate`, `tasks`."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.commands.options import BenchmarkFolders, resumable, use_benchmarks

app = typer.Typer()


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
    preset: Annotated[
        str | None,
        typer.Option(
            help="What replies look like: think-answer, boxed or plain. By default by the model's manifest or name."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    name: Annotated[
        str | None, typer.Option(help="Name of the model in the results; default: its folder's, or the served one.")
    ] = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Evaluate any model under the benchmarks' protocols, and grade its answers. Running again resumes."""
    from vr1repro.evaluation.standalone import EvaluateOptions, evaluate_and_grade
    from vr1repro.reporting.compare.evaluated import means, next_command
    from vr1repro.reporting.compare.protocol_gain import protocol_gain

    use_benchmarks(benchmark_folder)
    options = EvaluateOptions(
        model=model, benchmarks=benchmarks.split(","), data=data or [], protocols=protocol.split(","), profile=profile,
        seeds=seeds, limit=limit, engine=engine, batch_size=batch_size, temperature=temperature, top_p=top_p,
        max_tokens=max_tokens, preset=preset, threads=threads, name=name, engine_options=engine_options,
    )  # fmt: skip
    with resumable():
        evaluated = evaluate_and_grade(options, out, typer.echo)
    typer.echo(evaluated.text)
    for (slug, seed), files in evaluated.verdicts.items():
        if {"single", "paper"} <= files.keys():
            typer.echo(f"{slug}, seed {seed}: {protocol_gain(files['single'], files['paper'])}")
    typer.echo(means(evaluated))
    typer.echo(f"next: {next_command(evaluated)}")


@app.command()
def tasks(
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where to write them; default: the user's folder.")
    ] = None,
    names: Annotated[bool, typer.Option("--list", help="List the command of each task.")] = False,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Write lm-eval tasks and print their folder, for `lm_eval --include_path "$(vr1repro tasks)"`."""
    from vr1repro.evaluation.task_files import default_folder, listing, write_tasks

    use_benchmarks(benchmark_folder)
    typer.echo(listing() if names else write_tasks(folder or default_folder()))
