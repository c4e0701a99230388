"""Evaluate one model: the engine is loaded once, every benchmark and seed goes through lm-eval's evaluator."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vr1repro.config.evaluation import EvaluationSettings, Protocol
from vr1repro.config.problems import ProblemSource
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.files import write_atomically
from vr1repro.core.progress import progress
from vr1repro.core.provenance import json_sha, made
from vr1repro.core.records import Problem
from vr1repro.core.upstream import require
from vr1repro.engines.base import Engine, Sampling
from vr1repro.engines.load import load_engine
from vr1repro.evaluation.ledger import RESPONSES, RUN, Ledger, counts
from vr1repro.evaluation.protocols import PROTOCOLS
from vr1repro.problems.load import Skips, load_problems

_UNHEALTHY = ("refused", "unknown_tokens", "grid_mismatches")


@dataclass(frozen=True)
class BenchmarkSpec:
    """A benchmark and where its questions are."""

    slug: str
    source: ProblemSource


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """One finished file of responses.

    Attributes:
        counts: See `ledger.counts`.
        skipped: Questions left out at loading, by reason; the denominator shrinks by them.
    """

    benchmark: str
    protocol: Protocol
    seed: int
    folder: Path
    counts: dict[str, int]
    skipped: dict[str, int]

    @property
    def healthy(self) -> bool:
        """Whether every question was asked whole: nothing left out, refused, unknown or off the picture's grid."""
        return not self.skipped and not any(self.counts[name] for name in _UNHEALTHY)

    def complaint(self) -> str:
        """What is wrong, with counts, and where it stands."""
        counts = {**self.skipped, **{name: self.counts[name] for name in _UNHEALTHY if self.counts[name]}}
        found = ", ".join(f"{name} {count}" for name, count in counts.items())
        return f"{self.folder / RESPONSES}: not every question was asked whole: {found}"


def evaluate(
    model: str,
    benchmarks: Sequence[BenchmarkSpec],
    settings: EvaluationSettings,
    seeds: Sequence[int],
    out: Path,
    run: str,
    model_name: str,
    *,
    arm: str | None = None,
    train_seed: int | None = None,
    limit: int | None = None,
    threads: int = 1,
    system_prompt: str | None = None,
) -> list[EvaluationResult]:
    """Ask one model every benchmark under every seed; what is already earned is not asked again.

    Files: `<out>/<model_name>/<benchmark>/<protocol>/e<seed>/` with `responses.jsonl` (deterministic, in the
    benchmark's order, all attempts), `timing.jsonl` (telemetry) and `run.json` (settings, counts, versions); and
    `<out>/<model_name>/<benchmark>/skipped.jsonl` where rows of the data were left out.

    Args:
        model: A checkpoint folder, `owner/name@commit` on the hub, or an endpoint's URL.
        benchmarks: What to ask.
        settings: How to sample.
        seeds: Evaluation seeds.
        out: Folder `eval` of the run.
        run: Name of the run.
        model_name: Folder name and `model` column of the rows.
        arm: The paper's arm, None for a foreign model.
        train_seed: The arm's training seed.
        limit: Ask only the first questions of each benchmark.
        threads: CPU threads.
        system_prompt: System prompt; the paper's evaluation has none.

    Returns:
        One result for each benchmark, protocol and seed.

    Raises:
        UserError: The model or a benchmark cannot be loaded, a benchmark has no such prompt, or the endpoint gave up.
    """
    began = time.perf_counter()
    loaded = {spec.slug: _questions(spec, out / model_name, limit) for spec in benchmarks}
    if len(loaded) < len(benchmarks):
        raise UserError("a benchmark is named twice")
    from vr1repro.evaluation.lm import BenchmarkRun, EngineLM
    from vr1repro.evaluation.lm_tasks import task

    # It warns of every task that has its own data.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    # Unusable prompts are refused before the model is loaded, which may take minutes.
    tasks = {slug: task(slug, problems, settings) for slug, (problems, _) in loaded.items()}
    engine = load_engine(model, settings.engine, threads, settings.max_image_pixels)
    sampling = Sampling(settings.temperature, settings.top_p, settings.max_tokens)
    generation = _generation(settings, engine)
    common = {
        "run": run,
        "model": model_name,
        "arm": arm,
        "train_seed": train_seed,
        "generation_sha": json_sha(generation),
        "model_sha": engine.model_sha,
    }
    content = {
        "settings": settings.model_dump(mode="json"),
        "generation": generation,
        "engine": engine.facts,
        "model": model_name,
        "model_sha": engine.model_sha,
        "system_prompt": system_prompt,
    }
    loading = time.perf_counter() - began
    protocols: list[Protocol] = [name for name in PROTOCOLS if name in settings.protocols]
    results: list[EvaluationResult] = []
    with progress() as bar:
        total = len(seeds) * sum(len(problems) for problems, _ in loaded.values())
        counter = bar.add_task(model_name, total=total)
        lm = EngineLM(engine, sampling, system=system_prompt, earned=partial(bar.advance, counter))
        for seed in seeds:
            lm.runs = {
                slug: BenchmarkRun(
                    benchmark=slug,
                    seed=seed,
                    problems={problem.id: problem for problem in problems},
                    ledger=Ledger({name: out / model_name / slug / name / f"e{seed}" for name in protocols}),
                    common=common,
                    retries=settings.retries if "paper" in protocols else 0,
                )
                for slug, (problems, _) in loaded.items()
            }
            started, generated = time.perf_counter(), lm.seconds
            try:
                figures = _through_lm_eval(lm, tasks)
            except BaseException:
                for benchmark_run in lm.runs.values():
                    benchmark_run.ledger.close()
                raise
            seconds = {
                "loading_s": loading,
                "seed_s": time.perf_counter() - started,
                "generating_s": lm.seconds - generated,
            }
            for slug, benchmark_run in lm.runs.items():
                attempts = [row for identity in benchmark_run.problems for row in benchmark_run.attempts[identity]]
                for name, rows in benchmark_run.ledger.finish(attempts):
                    folder = benchmark_run.ledger.folders[name]
                    result = EvaluationResult(
                        benchmark=slug,
                        protocol=name,
                        seed=seed,
                        folder=folder,
                        counts=counts(rows),
                        skipped=loaded[slug][1],
                    )
                    _write_run(result, {**content, "lm_eval": figures[slug]}, seconds)
                    results.append(result)
    return results


def _generation(settings: EvaluationSettings, engine: Engine) -> dict[str, Any]:
    """What decides the sampled text besides weights, prompt and seed; batch sizes do not."""
    return {
        "engine": settings.engine.kind,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "max_tokens": settings.max_tokens,
        "max_image_pixels": settings.max_image_pixels,
        # Of served weights nothing is known but their name.
        "served": engine.facts.get("model"),
        "extra": settings.engine.extra if isinstance(settings.engine, EndpointSampler) else {},
        **({"requests_seeded": False} if engine.facts.get("requests_seeded") is False else {}),
    }


def _questions(spec: BenchmarkSpec, out: Path, limit: int | None) -> tuple[list[Problem], dict[str, int]]:
    skips = Skips()
    source = spec.source if limit is None else spec.source.model_copy(update={"limit": limit})
    problems = list(load_problems(source, skips))
    if skips.rows:
        skips.write(out / spec.slug / "skipped.jsonl")
    return problems, skips.counts()


def _through_lm_eval(lm: Any, tasks: dict[str, Any]) -> dict[str, dict[str, float]]:
    """lm-eval's evaluator over all benchmarks at once; its own figures by benchmark."""
    from lm_eval.evaluator import evaluate as lm_evaluate

    require("lm-eval")

    found = lm_evaluate(lm, {"tasks": tasks}, log_samples=False, bootstrap_iters=0)
    assert found is not None  # noqa: S101 - None only on other ranks than the first
    return {
        slug: {name: value for name, value in figures.items() if isinstance(value, float)}
        for slug, figures in found["results"].items()
    }


def _write_run(result: EvaluationResult, content: dict[str, Any], seconds: dict[str, float]) -> None:
    record = {
        "content": {**content, "benchmark": result.benchmark, "protocol": result.protocol, "seed": result.seed,
                    "counts": result.counts, "skipped": result.skipped, "healthy": result.healthy},
        "made": {**made(), **{name: round(value, 3) for name, value in seconds.items()}},
    }  # fmt: skip
    write_atomically(result.folder / RUN, json.dumps(record, indent=2, sort_keys=True) + "\n")
