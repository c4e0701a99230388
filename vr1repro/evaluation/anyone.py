"""`vr1repro evaluate`: anyone's model, without a config file and without Snakemake."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vr1repro.benchmarks import registry
from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.config.problems import ProblemSource
from vr1repro.core.errors import UserError
from vr1repro.core.fetch import fetch_benchmark, linked_source
from vr1repro.engines.load import refuse_unknown
from vr1repro.evaluation.bought import bought
from vr1repro.evaluation.grading import grade_file, summary
from vr1repro.evaluation.run import BenchmarkSpec, evaluate


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for; see the options' help."""

    model: str
    benchmarks: list[str]
    data: list[str]
    protocols: list[str]
    profile: str
    seeds: int
    limit: int | None
    engine: str
    batch_size: int
    temperature: float
    top_p: float
    max_tokens: int
    preset: str
    threads: int
    name: str | None
    engine_options: str = "{}"


def evaluate_and_grade(wishes: Wishes, out: Path) -> str:
    """Sample, keep and grade a model's answers.

    Files: `<out>/questions/<benchmark>/` (links to the benchmark's own files), and below `<out>/<name>/` what
    `vr1repro.evaluation.run.evaluate` writes, with `verdicts/<profile>.jsonl` beside each file of responses.

    Returns:
        A table of scores as text.

    Raises:
        UserError: A wish is impossible, or model or data cannot be read.
    """
    refuse_unknown(wishes.model)  # before its benchmarks are fetched
    settings = _settings(wishes)
    sources = _sources(wishes)
    name = wishes.name or wishes.model.rstrip("/").split("/")[-1].replace("@", "-") or "model"
    specs = []
    for slug, source in sources.items():
        folder = out / "questions" / slug
        if not (folder / "manifest.json").exists():
            fetch_benchmark(source, folder)
        specs.append(BenchmarkSpec(slug, linked_source(source, folder, slug)))
    results = evaluate(
        wishes.model,
        specs,
        settings,
        list(range(1, wishes.seeds + 1)),
        out,
        out.name,
        name,
        limit=wishes.limit,
        threads=wishes.threads,
    )
    lines = []
    graded: dict[tuple[str, int], dict[str, Path]] = {}
    for result in results:
        verdicts = result.folder / "verdicts" / f"{wishes.profile}.jsonl"
        questions = out / "questions" / result.benchmark
        responses = result.folder / "responses.jsonl"
        scores = grade_file(result.benchmark, wishes.profile, responses, questions, verdicts, protocol=result.protocol)
        lines.append(f"{result.benchmark}, protocol {result.protocol}, seed {result.seed}, profile {wishes.profile}")
        lines.append(f"  asked: {', '.join(f'{key} {count}' for key, count in result.counts.items())}")
        if not result.healthy:
            lines.append(f"  WARNING {result.complaint()}")
        lines += [f"  {line}" for line in summary(scores).splitlines()]
        graded.setdefault((result.benchmark, result.seed), {})[result.protocol] = verdicts
    for (slug, seed), files in graded.items():
        if {"single", "paper"} <= files.keys():
            lines.append(f"{slug}, seed {seed}: {bought(files['single'], files['paper'])}")
    return "\n".join(lines)


def _sources(wishes: Wishes) -> dict[str, ProblemSource]:
    local = {}
    for item in wishes.data:
        slug, equals, path = item.partition("=")
        if not equals or not path:
            raise UserError(f"--data {item}: must be SLUG=PATH, for example mathvista=data/MathVista")
        local[slug] = ProblemSource(kind="path", path=path)
    known = registry.slugs()
    if unknown := (set(local) | set(wishes.benchmarks)) - set(known):
        raise UserError(f"--benchmarks: unknown {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return {slug: local.get(slug) or registry.facts(slug).source for slug in wishes.benchmarks}


def _settings(wishes: Wishes) -> EvaluationSettings:
    endpoint = wishes.model.startswith(("http://", "https://"))
    kind = wishes.engine or ("openai" if endpoint else "transformers")
    if endpoint != (kind == "openai"):
        raise UserError(f"--engine {kind}: does not go with --model {wishes.model}")
    engine: dict[str, Any] = {"kind": kind}
    if kind == "transformers":
        engine["batch_size"] = wishes.batch_size
    try:
        options = json.loads(wishes.engine_options)
    except json.JSONDecodeError as error:
        raise UserError(f"--engine-options: not JSON: {error.msg} at column {error.colno}") from None
    if not isinstance(options, dict):
        raise UserError("--engine-options: must be a JSON object, keys of `evaluation.engine` in config/README.md")
    engine |= options
    try:
        return EvaluationSettings.model_validate(
            {
                "benchmarks": wishes.benchmarks,
                "protocols": wishes.protocols,
                "engine": engine,
                "temperature": wishes.temperature,
                "top_p": wishes.top_p,
                "max_tokens": wishes.max_tokens,
                "preset": wishes.preset,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        if option == "engine" and len(first["loc"]) > 2:
            option = f"engine-options: {first['loc'][2]}"
        raise UserError(f"--{option}: {first['msg']}") from None
