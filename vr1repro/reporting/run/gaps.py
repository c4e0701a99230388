"""What a config plans for the arms of its run and the run does not have: seeds, checkpoints, stages, steps."""

from collections.abc import Iterator
from pathlib import Path

from vr1repro.config.plan import Checkpoint, Plan
from vr1repro.core.jsonl import count_rows


def gaps(plan: Plan, run: Path) -> list[str]:
    """A line for each gap; arms of which nothing was evaluated are left to the page's own line."""
    lines: dict[str, None] = {}
    for name in plan.config.run_arms:
        ends = plan.final_checkpoints(name)
        if not any((run / "eval" / end.slug).is_dir() for end in ends):
            continue
        label = plan.config.arms[name].label
        for end in ends:
            seed = f"{label}, training seed {end.seed}" if end.seed else label
            lines |= dict.fromkeys(f"{seed}: {gap}" for gap in _unanswered(plan, run, end))
            if end.seed and name not in plan.config.take_released:
                lines |= dict.fromkeys(f"{seed}: {gap}" for gap in _unlogged(plan, run, end))
        others = {one.slug: one for one in plan.checkpoints(name) if one not in ends}
        for slug, checkpoint in others.items():
            lines |= dict.fromkeys(f"{slug}: {gap}" for gap in _unanswered(plan, run, checkpoint))
    return list(lines)


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
    """Stages without a log, and steps that a log lacks."""
    for stage in range(1, (end.stage or 0) + 1):
        planned = plan.last_step(end.arm, stage) - plan.last_step(end.arm, stage - 1)
        log = run.joinpath(plan.stage_dir(end.arm, stage, end.seed).relative_to(plan.root), "steps.jsonl")
        if not log.exists():
            yield f"stage {stage}: no log of its steps"
        elif (logged := count_rows(log)) < planned:
            yield f"stage {stage}: {logged} of {planned} steps in its log"


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
