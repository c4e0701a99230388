"""Lengths of a checkpoint's completions on the RL set."""

from pathlib import Path
from typing import Annotated

import typer

from vr1repro.config.plan import PROBLEMS
from vr1repro.jobs.common import ConfigFile, Out, open_run, write_summary


def run(config: ConfigFile, out: Out, checkpoint: Annotated[str, typer.Option(help="Slug of the checkpoint.")]) -> None:
    """Sample one checkpoint's completions on the RL set."""
    from vr1repro.core.problem_files import read_problems
    from vr1repro.evaluation.lengths import sample_lengths
    from vr1repro.evaluation.run import EvaluatedModel

    settings, plan = open_run(config)
    assert settings.lengths is not None  # noqa: S101 - the plan has no such job otherwise
    planned = plan.checkpoint(checkpoint)
    seed, *_ = plan.evaluation_seeds(planned)
    model = EvaluatedModel(
        location=str(plan.checkpoint_model(planned)),
        name=checkpoint,
        run=settings.run,
        arm=planned.arm,
        train_seed=planned.seed or None,
        system_prompt=settings.arms[planned.arm].system_prompt,
    )
    folder = Path(plan.lengths_dir(planned))
    counts = sample_lengths(
        model,
        read_problems(Path(plan.problems(settings.rl.problems)) / PROBLEMS),
        plan.evaluation(planned),
        seed,
        folder,
        limit=settings.lengths.problems,
        threads=settings.resources.evaluate.threads,
    )
    name = str(folder.relative_to(out))
    write_summary(out / "responses.json", {name: folder / "responses.jsonl"}, {name: counts})
