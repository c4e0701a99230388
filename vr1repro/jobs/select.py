"""The best checkpoint of an arm, after which the weights of the others go."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.core.files import write_atomically
from vr1repro.core.provenance import leave_manifest
from vr1repro.evaluation.selection import Selection, best_of, read_candidate
from vr1repro.jobs.common import ConfigFile, open_run


def run(
    config: ConfigFile,
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    arm: Annotated[str, typer.Option(help="Key of `arms`.")],
    seed: Annotated[int, typer.Option(help="Training seed.")],
) -> None:
    """Choose an arm's best checkpoint by its scores, and delete the weights that were kept for that alone."""
    settings, plan = open_run(config)
    assert settings.selection is not None  # noqa: S101 - checked by Config
    planned, evaluated = plan.candidate_checkpoints(arm, seed), Path(plan.root) / "eval"
    eval_seed, profile = settings.seeds.evaluation[0], settings.reporting.profile
    candidates = [
        read_candidate(evaluated, checkpoint.slug, checkpoint.step, settings.selection.benchmarks, eval_seed, profile)
        for checkpoint in planned
    ]
    selection = Selection(
        arm=arm,
        train_seed=seed,
        eval_seed=eval_seed,
        profile=profile,
        candidates=candidates,
        selected=best_of(candidates).slug,
    )
    write_atomically(out, selection.model_dump_json(indent=1) + "\n")
    for checkpoint in planned:
        if checkpoint.passing:
            leave_manifest(Path(plan.checkpoint_model(checkpoint)))
    best, last = selection.best, selection.last
    typer.echo(f"{arm}: step {best.step} with {best.mean:.2f}; the last, {last.step}, has {last.mean:.2f}")
