"""Evaluate one model: load its engine once, and ask it every benchmark under every seed.

Deviations from the paper, beside the values that it does not state:

1. The arms of Vision-R1-Zero are evaluated with the system prompt that they were trained with
   (`arms.<name>.system_prompt`); how the paper evaluated Zero is not stated, its evaluator sends no system prompt.
2. Engines in the process sample without a repetition penalty. The paper's evaluator asks a vLLM server, which from 0.8
   on takes the checkpoint's generation_config unless told otherwise (repetition_penalty 1.05 for Qwen2.5-VL); which
   version served (README: > 0.7.2), and so whether replies were penalised, is not stated.
3. The Llama arm of v4 Table 2 is in no `run_arms`: vLLM 0.31 has no Mllama any more (0.10.2 was the last that had), and
   its fine-tuning was never tried here.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from vr1repro.core.records import Problem, sha256
from vr1repro.engines.base import Engine, Sampling
from vr1repro.engines.load import load_engine
from vr1repro.evaluation.ledger import RESPONSES, RUN, Ledger, counts
from vr1repro.evaluation.protocols import PROTOCOLS
from vr1repro.evaluation.responses import BenchmarkRun, Prompt, collect_responses, prompts_of
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
        reasons = ", ".join(f"{name} {count}" for name, count in counts.items())
        return f"{self.folder / RESPONSES}: not every question was asked whole: {reasons}"


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """A model that is asked, and what the rows of its responses say of it.

    Attributes:
        location: A checkpoint folder, `owner/name@commit` on the hub, or an endpoint's URL.
        name: Folder name and `model` column of the rows.
        run: Name of the run.
        arm: The paper's arm, None for a foreign model.
        train_seed: The arm's training seed.
        system_prompt: System prompt; the paper's evaluation has none.
    """

    location: str
    name: str
    run: str
    arm: str | None = None
    train_seed: int | None = None
    system_prompt: str | None = None


def evaluate(
    model: EvaluatedModel,
    benchmarks: Sequence[BenchmarkSpec],
    settings: EvaluationSettings,
    seeds: Sequence[int],
    out: Path,
    *,
    limit: int | None = None,
    threads: int = 1,
) -> list[EvaluationResult]:
    """Ask one model every benchmark under every seed; a question that has its response is not asked again.

    Files: `<out>/<model.name>/<benchmark>/<protocol>/e<seed>/` with `responses.jsonl` (deterministic, in the
    benchmark's order, all attempts), `timing.jsonl` (telemetry) and `run.json` (settings, counts, versions); and
    `<out>/<model.name>/<benchmark>/skipped.jsonl` where rows of the data were left out.

    Args:
        model: The model.
        benchmarks: What to ask.
        settings: How to sample.
        seeds: Evaluation seeds.
        out: Folder `eval` of the run.
        limit: Ask only the first questions of each benchmark.
        threads: CPU threads.

    Returns:
        One result for each benchmark, protocol and seed.

    Raises:
        UserError: The model or a benchmark cannot be loaded, a benchmark has no such prompt, the endpoint gave up, or
            another process asks the model one of the benchmarks.
    """
    began = time.perf_counter()
    folder = out / model.name
    prompts: dict[str, list[Prompt]] = {}
    skipped: dict[str, dict[str, int]] = {}
    # Unusable prompts are refused before the model is loaded, which may take minutes.
    for spec in benchmarks:
        if spec.slug in prompts:
            raise UserError("a benchmark is named twice")
        problems, skipped[spec.slug] = questions_of(spec, folder, limit)
        prompts[spec.slug] = prompts_of(spec.slug, problems, settings, model.system_prompt)
    protocols: list[Protocol] = [name for name in PROTOCOLS if name in settings.protocols]
    # Held before the model is loaded. Another process may ask it other benchmarks, and has another journal.
    with _held_ledgers(folder, list(prompts), protocols, seeds) as ledgers:
        journal = folder / f"replies-{json_sha(sorted(prompts))[:12]}.jsonl"
        engine = load_engine(model.location, settings.engine, threads, settings.max_image_pixels, journal)
        sampling = Sampling(settings.temperature, settings.top_p, settings.max_tokens)
        common, content = columns(model, settings, engine), content_of(model, settings, engine)
        loading = time.perf_counter() - began
        results: list[EvaluationResult] = []
        with progress() as bar:
            counter = bar.add_task(model.name, total=len(seeds) * sum(map(len, prompts.values())))
            for seed in seeds:
                started = time.perf_counter()
                runs = [
                    BenchmarkRun(
                        benchmark=slug,
                        seed=seed,
                        prompts=benchmark_prompts,
                        ledger=ledgers[slug, seed].open(),
                        common=common,
                        retries=settings.retries if "paper" in protocols else 0,
                    )
                    for slug, benchmark_prompts in prompts.items()
                ]
                generating = collect_responses(runs, engine, sampling, partial(bar.advance, counter))
                seconds = {"loading_s": loading, "seed_s": time.perf_counter() - started, "generating_s": generating}
                for run in runs:
                    attempts = [row for prompt in run.prompts for row in run.attempts[prompt.id]]
                    for name, rows in run.ledger.finish(attempts):
                        result = EvaluationResult(
                            benchmark=run.benchmark,
                            protocol=name,
                            seed=seed,
                            folder=run.ledger.folders[name],
                            counts=counts(rows),
                            skipped=skipped[run.benchmark],
                        )
                        _write_run(result, {**content, "prompts": prompts_sha(run.prompts)}, seconds)
                        results.append(result)
        journal.unlink(missing_ok=True)  # every reply is a row now
    return results


@contextmanager
def _held_ledgers(
    folder: Path, slugs: Sequence[str], protocols: Sequence[Protocol], seeds: Sequence[int]
) -> Iterator[dict[tuple[str, int], Ledger]]:
    """The ledgers by benchmark and seed, not opened yet, which no other process has meanwhile."""
    with ExitStack() as held:
        yield {
            (slug, seed): held.enter_context(Ledger({name: folder / slug / name / f"e{seed}" for name in protocols}))
            for slug in slugs
            for seed in seeds
        }


def columns(model: EvaluatedModel, settings: EvaluationSettings, engine: Engine) -> dict[str, Any]:
    """Columns that all rows of a model's responses share."""
    return {
        "run": model.run,
        "model": model.name,
        "arm": model.arm,
        "train_seed": model.train_seed,
        "generation_sha": json_sha(_generation(settings, engine)),
        "model_sha": engine.model_sha,
    }


def content_of(model: EvaluatedModel, settings: EvaluationSettings, engine: Engine) -> dict[str, Any]:
    """What `run.json` says of all of a model's responses."""
    return {
        "settings": settings.model_dump(mode="json"),
        "generation": _generation(settings, engine),
        "engine": engine.facts,
        "model": model.name,
        "model_sha": engine.model_sha,
        "system_prompt": model.system_prompt,
    }


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


def questions_of(spec: BenchmarkSpec, out: Path, limit: int | None = None) -> tuple[list[Problem], dict[str, int]]:
    """A benchmark's questions, and how many were left out by reason; which ones is written below the model's folder."""
    skips = Skips()
    source = spec.source if limit is None else spec.source.model_copy(update={"limit": limit})
    problems = list(load_problems(source, skips))
    if skips.rows:
        skips.write(out / spec.slug / "skipped.jsonl")
    return problems, skips.counts()


def prompts_sha(prompts: Sequence[Prompt]) -> str:
    """Hash of all that a model is shown of a benchmark."""
    shown = ([each.id, each.system, each.text, each.image and sha256(each.image)] for each in prompts)
    return json_sha(list(shown))


def _write_run(result: EvaluationResult, content: dict[str, Any], seconds: dict[str, float]) -> None:
    record = {
        "content": {**content, "benchmark": result.benchmark, "protocol": result.protocol, "seed": result.seed,
                    "counts": result.counts, "skipped": result.skipped, "healthy": result.healthy},
        "made": {**made(), **{name: round(value, 3) for name, value in seconds.items()}},
    }  # fmt: skip
    write_atomically(result.folder / RUN, json.dumps(record, indent=2, sort_keys=True) + "\n")
