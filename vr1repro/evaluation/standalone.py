"""`vr1repro evaluate`: anyone's model, without a config file and without Snakemake."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vr1repro.benchmarks import lookup
from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.config.problems import ProblemSource
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.locks import Lock
from vr1repro.core.outside import json_cell
from vr1repro.core.provenance import MANIFEST
from vr1repro.core.revisions import Revisions
from vr1repro.engines.endpoint.client import served_model
from vr1repro.engines.load import refuse_unknown
from vr1repro.evaluation.grading import grade_file, summary
from vr1repro.evaluation.presets import preset_of
from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, evaluate
from vr1repro.problems.fetch import fetch_benchmark, holds, linked_source

_FETCH_PATIENCE_S = 3600.0  # how long another process may take to fetch a benchmark's questions


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """The options of `vr1repro evaluate`, which its help explains."""

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
    preset: str | None
    threads: int
    name: str | None
    engine_options: str = "{}"


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What an evaluation wrote.

    Attributes:
        model: The model's name, its folder below `out`.
        out: The folder.
        profile: Scoring profile of the verdicts.
        text: What was asked, and the overall score of each benchmark, protocol and seed.
        verdicts: Files of verdicts by benchmark and seed, then protocol.
    """

    model: str
    out: Path
    profile: str
    text: str
    verdicts: dict[tuple[str, int], dict[str, Path]]

    def questions(self, benchmark: str) -> Path:
        """Folder of a benchmark's questions."""
        return self.out / "questions" / benchmark


def evaluate_and_grade(options: EvaluateOptions, out: Path, tell: Callable[[str], None]) -> Evaluated:
    """Sample, keep and grade a model's answers.

    Files: `<out>/questions/<benchmark>/` (links to the benchmark's own files), `<out>/revisions.json` (their commits),
    and below `<out>/<name>/` what `vr1repro.evaluation.run.evaluate` writes, with `verdicts/<profile>.jsonl` beside
    each file of responses.

    Args:
        options: The command's options.
        out: The folder.
        tell: Called with a line for the user before the model is asked.

    Raises:
        UserError: The options do not fit together, or model or data cannot be read.
    """
    refuse_unknown(options.model)  # before its benchmarks are fetched
    settings = _settings(options, options.preset or "boxed")
    sources = _sources(options)
    for slug in sources:
        lookup.profile(slug, options.profile)
    served = None
    if isinstance(settings.engine, EndpointSampler):
        served = served_model(options.model, settings.engine)
        tell(f"{options.model}: serves {served}")
    if options.preset is None:
        choice = preset_of(options.model, served)
        tell(str(choice))
        settings = settings.model_copy(update={"preset": choice.preset})
    name = options.name or _name(served or options.model)
    specs = []
    for slug, source in sources.items():
        folder = out / "questions" / slug
        with Lock(folder, "these questions", patience_s=_FETCH_PATIENCE_S):
            _bring_questions(source, folder, out)
        specs.append(BenchmarkSpec(slug, linked_source(source, folder, slug)))
    results = evaluate(
        EvaluatedModel(location=options.model, name=name, run=out.name),
        specs,
        settings,
        range(1, options.seeds + 1),
        out,
        limit=options.limit,
        threads=options.threads,
    )
    lines = []
    graded: dict[tuple[str, int], dict[str, Path]] = {}
    for result in results:
        verdicts = result.folder / "verdicts" / f"{options.profile}.jsonl"
        questions = out / "questions" / result.benchmark
        responses = result.folder / "responses.jsonl"
        scores = grade_file(result.benchmark, options.profile, responses, questions, verdicts, protocol=result.protocol)
        lines.append(f"{result.benchmark}, protocol {result.protocol}, seed {result.seed}, profile {options.profile}")
        lines.append(f"  asked: {', '.join(f'{key} {count}' for key, count in result.counts.items())}")
        if not result.healthy:
            lines.append(f"  WARNING {result.complaint()}")
        lines.append(f"  {summary(scores[:1])}")
        graded.setdefault((result.benchmark, result.seed), {})[result.protocol] = verdicts
    return Evaluated(model=name, out=out, profile=options.profile, text="\n".join(lines), verdicts=graded)


def _bring_questions(source: ProblemSource, folder: Path, out: Path) -> None:
    """Fetch a benchmark's questions into a folder, or leave those that an earlier start of the same source fetched.

    Raises:
        UserError: Others are there, and have answers below `out`.
    """
    if (folder / MANIFEST).exists():
        if holds(source, folder):
            return
        answers = out.glob(f"*/{folder.name}/*/e*/responses.jsonl")
        if answered := next((path for path in answers if path.stat().st_size), None):
            raise UserError(
                f"--data {folder.name}: {folder} holds other questions, which {answered} answers; give another --out,"
                " or the questions of before"
            )
    fetch_benchmark(Revisions(out).pinned(source, "dataset"), folder)


def _name(model: str) -> str:
    """A model's name in paths: the last part of its location or of the name that it is served under."""
    last = model.rstrip("/").split("/")[-1]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-.") or "model"


def _sources(options: EvaluateOptions) -> dict[str, ProblemSource]:
    local = {}
    for item in options.data:
        slug, equals, path = item.partition("=")
        if not equals or not path:
            raise UserError(f"--data {item}: must be SLUG=PATH, for example mathvista=data/MathVista")
        local[slug] = ProblemSource(kind="path", path=path)
    known = lookup.slugs()
    for option, slugs in (("data", set(local)), ("benchmarks", set(options.benchmarks))):
        if unknown := sorted(slugs - set(known)):
            raise UserError(f"--{option}: unknown {', '.join(unknown)}; known: {', '.join(known)}")
    if unused := sorted(set(local) - set(options.benchmarks)):
        raise UserError(f"--data {unused[0]}: it is not among --benchmarks {','.join(options.benchmarks)}")
    return {slug: local.get(slug) or lookup.facts(slug).source for slug in options.benchmarks}


def _settings(options: EvaluateOptions, preset: str) -> EvaluationSettings:
    endpoint = options.model.startswith(("http://", "https://"))
    kind = options.engine or ("openai" if endpoint else "transformers")
    if endpoint != (kind == "openai"):
        raise UserError(f"--engine {kind}: does not go with --model {options.model}")
    engine: dict[str, Any] = {"kind": kind}
    if kind == "transformers":
        engine["batch_size"] = options.batch_size
    further = json_cell(options.engine_options, "--engine-options")
    if not isinstance(further, dict):
        raise UserError("--engine-options: must be a JSON object, keys of `evaluation.engine` in config/README.md")
    engine |= further
    try:
        return EvaluationSettings.model_validate(
            {
                "benchmarks": options.benchmarks,
                "protocols": options.protocols,
                "engine": engine,
                "temperature": options.temperature,
                "top_p": options.top_p,
                "max_tokens": options.max_tokens,
                "preset": preset,
            }
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        if option == "engine" and len(first["loc"]) > 2:
            option = f"engine-options: {first['loc'][2]}"
        raise UserError(f"--{option}: {first['msg']}") from None
