"""What the arms of a config take and make: models, problem sets, trainings, evaluated checkpoints, each once.

Of `run_arms`, which `rule all` makes, or of the arms that a target names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from vr1repro.config.models import HubData, LabModelSource, LocalData, ModelSource
from vr1repro.config.plan import RELEASED, Checkpoint, Plan
from vr1repro.config.problems import ProblemSource
from vr1repro.core.revisions import RepositoryKind


@dataclass(frozen=True)
class Taken:
    """Something that a run takes from outside.

    Attributes:
        source: Where from: the hub, or a local file or folder.
        kind: `model`, or `dataset` for problems, benchmarks and a released cold-start set.
        folder: Where it lies in the run once it is fetched.
    """

    source: ModelSource | ProblemSource | HubData | LocalData
    kind: RepositoryKind
    folder: PurePosixPath


def taken(plan: Plan) -> list[Taken]:
    """What `rule all` takes from the hub and from local folders."""
    config, models = plan.config, plan.model_sources()
    sets = {**config.problems, **config.benchmarks}
    sources = [Taken(models[name], "model", plan.model(name)) for name in models_used(plan)]
    sources = [one for one in sources if not isinstance(one.source, LabModelSource)]
    for name in sorted(sets_used(plan)):
        if isinstance(source := sets[name], ProblemSource):
            sources.append(Taken(source, "dataset", plan.problems(name)))
    if "coldset" in config.take_released and config.coldset.released is not None:
        sources.append(Taken(config.coldset.released, "dataset", plan.coldset()))
    return sources


def has_coldset(plan: Plan) -> bool:
    """Whether the run has a cold-start set: something is trained on it, or it was asked for as released."""
    return "coldset" in plan.config.take_released or bool(sft_runs(plan))


def builds_coldset(plan: Plan) -> bool:
    """Whether Modality Bridging runs."""
    return has_coldset(plan) and "coldset" not in plan.config.take_released


def sft_runs(plan: Plan, arms: Sequence[str] | None = None) -> list[tuple[str, int]]:
    """Starts and seeds that are fine-tuned here."""
    config = plan.config
    return list(
        dict.fromkeys(
            (start, seed)
            for arm in (config.run_arms if arms is None else arms)
            if arm not in config.take_released
            and (start := config.arms[arm].start) not in config.take_released
            and config.starts[start].sft
            for seed in plan.training_seeds(arm)
        )
    )


def rl_runs(plan: Plan, arms: Sequence[str] | None = None) -> list[tuple[str, int, int]]:
    """Arm, stage and seed of every GRPO stage; shared stages once, under the arm that owns them."""
    config = plan.config
    return list(
        dict.fromkeys(
            (plan.stage_owner(arm, stage), stage, seed)
            for arm in (config.run_arms if arms is None else arms)
            if arm not in config.take_released
            for seed in plan.training_seeds(arm)
            for stage in range(1, len(config.arms[arm].stages) + 1)
        )
    )


def evaluated(plan: Plan, arms: Sequence[str] | None = None) -> list[Checkpoint]:
    """Every checkpoint that is evaluated, each once."""
    chosen = plan.config.run_arms if arms is None else arms
    return list(dict.fromkeys(checkpoint for arm in chosen for checkpoint in plan.checkpoints(arm)))


def selections(plan: Plan, arms: Sequence[str] | None = None) -> list[tuple[str, int]]:
    """Arms and seeds whose best checkpoint is chosen."""
    return [
        (arm, seed)
        for arm in (plan.config.run_arms if arms is None else arms)
        for seed in plan.training_seeds(arm)
        if plan.candidate_checkpoints(arm, seed)
    ]


def lengths(plan: Plan, arms: Sequence[str] | None = None) -> list[Checkpoint]:
    """Checkpoints whose completions on the RL set are sampled."""
    measured = plan.config.lengths.arms if plan.config.lengths else []
    chosen = plan.config.run_arms if arms is None else arms
    return [checkpoint for arm in chosen if arm in measured for checkpoint in plan.final_checkpoints(arm)]


def sets_used(plan: Plan) -> set[str]:
    """Keys of `problems` and `benchmarks` that are fetched or made."""
    config = plan.config
    sets = {slug for checkpoint in evaluated(plan) for slug in plan.benchmarks(checkpoint)}
    sets |= {config.arms[arm].stages[stage - 1].problems or config.rl.problems for arm, stage, _ in rl_runs(plan)}
    if lengths(plan):
        sets.add(config.rl.problems)
    if builds_coldset(plan):
        sets |= set(config.coldset.sources)
        sets |= {*plan.training_problems(), *config.benchmarks} if config.coldset.overlap.drop else set()
    return sets


def models_used(plan: Plan) -> list[str]:
    """Keys of `plan.model_sources()` that are fetched or pretrained."""
    config, names = plan.config, set()
    for arm in config.run_arms:
        start = config.arms[arm].start
        taken = next((f"{RELEASED}{name}" for name in (arm, start) if name in config.take_released), None)
        names.add(taken or config.starts[start].model)
    if builds_coldset(plan):
        names |= set(plan.coldset_models())
    if (grader := plan.grader_model()) is not None:
        names.add(grader)
    return sorted(names)
