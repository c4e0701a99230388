"""Commands on saved responses: `vr1repro grade`, `compare-graders`, `extract`, `judge`, `equivalent`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vr1repro.commands.options import BenchmarkFolders, Columns, OnceCommand, ResponseFormat, resumable, use_benchmarks

if TYPE_CHECKING:
    from vr1repro.evaluation.formats.read import ResponseFiles
    from vr1repro.evaluation.llm import Asker

app = typer.Typer()

Benchmark = Annotated[str, typer.Option(help="Its slug, for example mathvista.")]
Responses = Annotated[
    list[Path],
    typer.Option(
        help="File of responses: JSONL, CSV, or what lm-eval, lmms-eval, VLMEvalKit or a benchmark's own code writes"
        " (docs/formats.md). Repeatable: each is one more seed."
    ),
]
Questions = Annotated[Path, typer.Option(help="The benchmark's questions, JSONL or Parquet, file or folder.")]
Workers = Annotated[int, typer.Option(min=1, help="Grading processes.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one comparison; past it the worker is killed.")]
Endpoint = Annotated[
    str | None, typer.Option(help="OpenAI-compatible endpoint. Without one the cache alone is replayed.")
]
JudgeModel = Annotated[str, typer.Option(help="The LLM's name at its endpoint; part of each cache key.")]
Cache = Annotated[Path, typer.Option(help="JSONL of the LLM's replies by request hash; made where it is missing.")]
Examples = Annotated[
    Path | None, typer.Option(help="Text file of few-shot examples, for the official prompt; not shipped.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests in flight.")]
RequestTimeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one request.")]
Retries = Annotated[int, typer.Option(min=0, help="Tries after a failed request.")]


@app.command(cls=OnceCommand)
def grade(
    benchmark: Benchmark,
    responses: Responses,
    questions: Questions,
    out: Annotated[Path, typer.Option(help="JSONL of verdicts.")],
    profile: Annotated[
        str,
        typer.Option(help="One of the benchmark's: rule, official, vlmevalkit, ... An unknown name lists them."),
    ] = "rule",
    workers: Workers = 1,
    timeout: Timeout = 5.0,
    protocol: Annotated[
        str | None, typer.Option(help="Which attempt counts: single or paper. By default every row is graded.")
    ] = None,
    legacy_int: Annotated[bool, typer.Option(help="MathVista: integers by int(x), as its first scorer.")] = False,
    format_name: ResponseFormat = None,
    column: Columns = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Score saved responses; prints the overall score and sub-scores, and writes them to OUT.scores.json.

    There each has its number of responses, clusters, standard error and interval.
    """
    from vr1repro.benchmarks import lookup
    from vr1repro.evaluation.coverage import coverage
    from vr1repro.evaluation.formats.read import opened
    from vr1repro.evaluation.grading import grade_file, summary
    from vr1repro.evaluation.llm_commands import ResponseSource, graded_so
    from vr1repro.evaluation.protocols import named
    from vr1repro.reporting.run.file_scores import write_scores

    use_benchmarks(benchmark_folder)
    files = opened(benchmark, questions, responses, format_name, column or [])
    scores = grade_file(
        benchmark, profile, files, questions, out, workers=workers, timeout_s=timeout, legacy_int=legacy_int,
        protocol=named(protocol) if protocol else None,
    )  # fmt: skip
    _echo_notes(files)
    facts, names = lookup.facts(benchmark), ", ".join(map(str, responses))
    counts = coverage(out, facts)

    def again(files: tuple[Path, ...]) -> list[str]:
        words = ["vr1repro", "grade", "--benchmark", benchmark, "--profile", profile]
        words += [word for file in files for word in ("--responses", str(file))]
        return [*words, "--questions", str(questions), "--out", str(out)]

    remedy = ""
    if lacking := counts.without_llm(profile):
        source = ResponseSource(
            name=responses[0].stem,
            responses=tuple(responses),
            questions=questions,
            format=format_name,
            columns=tuple(column or ()),
            rows=lambda: files,
        )
        remedy = graded_so(facts, profile, source, again)
        counts.refuse_ungraded(names, profile, remedy)
    typer.echo(summary(scores))
    write_scores(benchmark, profile, questions, out, scores)
    for line in counts.lines():
        typer.echo(line)
    if lacking:
        typer.echo(f"NOTE {lacking}; {remedy}")
    counts.refuse_unparsable(names)


@app.command(cls=OnceCommand)
def compare_graders(
    benchmark: Benchmark,
    responses: Responses,
    questions: Questions,
    out: Annotated[Path, typer.Option(help="Folder for verdicts, tables and the page of rows that differ.")],
    workers: Workers = 1,
    timeout: Timeout = 5.0,
    protocol: Annotated[str | None, typer.Option(help="Which attempt counts: single or paper.")] = None,
    format_name: ResponseFormat = None,
    column: Columns = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Score saved responses under every profile, and show where the profiles differ and why."""
    from vr1repro.evaluation.formats.read import opened
    from vr1repro.evaluation.protocols import named
    from vr1repro.reporting.compare import graders

    use_benchmarks(benchmark_folder)
    files = opened(benchmark, questions, responses, format_name, column or [])
    typer.echo(
        graders.compare(
            benchmark, files, questions, out, workers=workers, timeout_s=timeout,
            protocol=named(protocol) if protocol else None,
        )
    )  # fmt: skip
    typer.echo(f"page: {out / 'index.html'}")


@app.command()
def extract(
    benchmark: Benchmark,
    responses: Responses,
    questions: Questions,
    out: Annotated[Path, typer.Option(help="JSONL of the same rows with `extraction`, for `grade`.")],
    cache: Cache,
    model: JudgeModel,
    endpoint: Endpoint = None,
    examples: Examples = None,
    last_words: Annotated[int | None, typer.Option(min=1, help="Keep only a response's last words.")] = None,
    concurrency: Concurrency = 16,
    timeout: RequestTimeout = 120.0,
    retries: Retries = 3,
    format_name: ResponseFormat = None,
    column: Columns = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Let an LLM extract the final answers of saved responses. Running again asks only what is missing."""
    from vr1repro.evaluation.extract_and_judge import LlmFiles, extract_file, require_extracted
    from vr1repro.evaluation.formats.plain import as_jsonl
    from vr1repro.evaluation.formats.read import opened
    from vr1repro.evaluation.llm import Llm

    use_benchmarks(benchmark_folder)
    require_extracted(benchmark)  # before a cache is made
    given = opened(benchmark, questions, responses, format_name, column or [])
    with (
        resumable(),
        as_jsonl(given) as rows,
        Llm(_asker(model, endpoint, concurrency, timeout, retries), cache) as llm,
    ):
        _echo_notes(given)
        files = LlmFiles(responses=rows, questions=questions, out=out)
        typer.echo(extract_file(benchmark, files, llm, examples=examples, last_words=last_words))


@app.command()
def judge(
    benchmark: Benchmark,
    responses: Annotated[
        list[Path],
        typer.Option(help="As for `grade`; the rows have an `extraction` (`extract`), but for lmms-eval. Repeatable."),
    ],
    questions: Questions,
    out: Annotated[Path, typer.Option(help="JSONL of the same rows with `judgement`, for `grade`.")],
    cache: Cache,
    model: JudgeModel,
    profile: Annotated[str, typer.Option(help="Scoring profile that the judgement is for.")] = "official",
    endpoint: Endpoint = None,
    examples: Examples = None,
    concurrency: Concurrency = 16,
    timeout: RequestTimeout = 120.0,
    retries: Retries = 3,
    format_name: ResponseFormat = None,
    column: Columns = None,
    benchmark_folder: BenchmarkFolders = None,
) -> None:
    """Let an LLM judge answers with 0 or 1. Running again asks only what is missing."""
    from vr1repro.evaluation.extract_and_judge import LlmFiles, judge_file, require_judged
    from vr1repro.evaluation.formats.plain import as_jsonl
    from vr1repro.evaluation.formats.read import opened
    from vr1repro.evaluation.llm import Llm

    use_benchmarks(benchmark_folder)
    require_judged(benchmark, profile)
    given = opened(benchmark, questions, responses, format_name, column or [])
    with (
        resumable(),
        as_jsonl(given) as rows,
        Llm(_asker(model, endpoint, concurrency, timeout, retries), cache) as llm,
    ):
        _echo_notes(given)
        files = LlmFiles(responses=rows, questions=questions, out=out)
        typer.echo(judge_file(benchmark, profile, files, llm, examples=examples))


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


def _echo_notes(files: "ResponseFiles") -> None:
    """Say on standard error how files were read."""
    for note in files.notes():
        typer.echo(note, err=True)


def _asker(model: str, endpoint: str | None, concurrency: int, timeout_s: float, retries: int) -> "Asker":
    from vr1repro.config.samplers import EndpointSampler
    from vr1repro.evaluation.llm import Asker, at

    sampler = EndpointSampler(kind="openai", concurrency=concurrency, timeout_s=timeout_s, retries=retries)
    return Asker(model=model, connect=at(endpoint), sampler=sampler)
