"""What a config plans for the arms of its run and the run does not have: seeds, checkpoints, stages, steps."""

from collections.abc import Iterator
from pathlib import Path

from vr1repro.config.plan import Checkpoint, Plan
from vr1repro.core.jsonl import count_rows


def gaps(plan: Plan, run: Path) -> list[str]:
    """A line for each gap; arms of which nothing was evaluated are left to the page's line on the arm."""
    lines = []
    ends = {end.slug: end for name in plan.config.run_arms for end in plan.final_checkpoints(name)}
    begun = {end.arm for end in ends.values() if (run / "eval" / end.slug).is_dir()}
    for end in ends.values():
        if end.arm in begun:
            label = plan.config.arms[end.arm].label
            name = f"{label}, training seed {end.seed}" if end.seed else label
            lines += [f"{name}: {gap}" for gap in (*_unanswered(plan, run, end), *_unlogged(plan, run, end))]
    others = {one.slug: one for arm in plan.config.run_arms if arm in begun for one in plan.checkpoints(arm)}
    for slug, checkpoint in others.items():
        if slug not in ends:
            lines += [f"{slug}: {gap}" for gap in _unanswered(plan, run, checkpoint)]
    return lines


def _unanswered(plan: Plan, run: Path, checkpoint: Checkpoint) -> Iterator[str]:
    """What a checkpoint was not asked, or what of it was not graded."""
    if not (run / "eval" / checkpoint.slug).is_dir():
        yield "not evaluated"
        return
    profile, seeds = plan.config.reporting.profile, plan.evaluation_seeds(checkpoint)
    for benchmark in plan.benchmarks(checkpoint):
        for protocol in plan.evaluation(checkpoint).protocols:
            folders = {
                seed: run.joinpath(plan.eval_dir(checkpoint.slug, benchmark, protocol, seed).relative_to(plan.root))
                for seed in seeds
            }
            place = f"{benchmark}, protocol {protocol}"
            if missing := [seed for seed, one in folders.items() if not (one / "responses.jsonl").exists()]:
                yield f"{place}: no responses of evaluation {_seeds(missing)}"
            if ungraded := [
                seed
                for seed, one in folders.items()
                if seed not in missing and not (one / "verdicts" / f"{profile}.jsonl").exists()
            ]:
                yield f"{place}: no verdicts of profile {profile} on evaluation {_seeds(ungraded)}"


def _unlogged(plan: Plan, run: Path, end: Checkpoint) -> Iterator[str]:
    """Stages without a log, and steps that a log lacks; nothing where the weights were taken as they are."""
    for stage in range(1, (end.stage or 0) + 1 if end.seed else 1):
        planned = plan.last_step(end.arm, stage) - plan.last_step(end.arm, stage - 1)
        log = run.joinpath(plan.stage_dir(end.arm, stage, end.seed).relative_to(plan.root), "steps.jsonl")
        if not log.exists():
            yield f"stage {stage}: no log of its steps"
        elif (logged := count_rows(log)) < planned:
            yield f"stage {stage}: {logged} of {planned} steps in its log"


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
