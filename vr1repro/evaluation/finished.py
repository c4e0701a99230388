"""The results of an evaluation that was finished before, from its files alone: its weights may be gone."""

from collections.abc import Sequence
from pathlib import Path

from vr1repro.config.evaluation import EvaluationSettings
from vr1repro.core.outside import json_object
from vr1repro.evaluation.ledger import RUN
from vr1repro.evaluation.responses import prompts_of
from vr1repro.evaluation.run import BenchmarkSpec, EvaluatedModel, EvaluationResult, prompts_sha, questions_of


def finished(
    model: EvaluatedModel,
    model_sha: str,
    benchmarks: Sequence[BenchmarkSpec],
    settings: EvaluationSettings,
    seeds: Sequence[int],
    out: Path,
) -> list[EvaluationResult] | None:
    """What `evaluation.run.evaluate` would return where all of its files are there and it would ask the same.

    Args:
        model: The model.
        model_sha: Content hash of its weights.
        benchmarks: What to ask.
        settings: How to sample.
        seeds: Evaluation seeds.
        out: Folder `eval` of the run.

    Returns:
        One result for each benchmark, protocol and seed; None where one of them is missing, or was of other weights,
        settings or prompts.
    """
    results = []
    for spec in benchmarks:
        problems, skipped = questions_of(spec, out / model.name)
        expected = {
            "settings": settings.model_dump(mode="json"),
            "model_sha": model_sha,
            "prompts": prompts_sha(prompts_of(spec.slug, problems, settings, model.system_prompt)),
        }
        for protocol in settings.protocols:
            for seed in seeds:
                folder = out / model.name / spec.slug / protocol / f"e{seed}"
                if not (folder / RUN).exists():
                    return None
                content = json_object(folder / RUN).get("content") or {}
                if any(content.get(name) != value for name, value in expected.items()):
                    return None
                results.append(
                    EvaluationResult(
                        benchmark=spec.slug,
                        protocol=protocol,
                        seed=seed,
                        folder=folder,
                        counts=content["counts"],
                        skipped=skipped,
                    )
                )
    return results
