"""A stage as it is handed over: its values by flat key, and the files that it is made of."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vr1repro.config.arms import Stage
from vr1repro.config.plan import PROBLEMS, Plan
from vr1repro.config.reward import RewardSettings
from vr1repro.config.run import Config
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import content_sha, file_sha

# Keys of a start and a stage that say who trains, not what.
_WHO_TRAINS = {"engine", "adopted", "approximate"}


@dataclass(frozen=True, kw_only=True)
class HandedStage:
    """A stage of an arm, or the fine-tuning of its start.

    Attributes:
        config: As the jobs of the arm's model see it.
        name: Of the arm, or of the start where it is fine-tuned.
        arm: For which arm it was asked; of a start that was asked for itself its own name.
        number: From 1; 0 for SFT.
        model: The checkpoint that it starts from.
        source: The cold-start set's folder (SFT), or the Parquet file of the RL set.
        first_step: Steps of the arm before this stage.
    """

    config: Config
    name: str
    arm: str
    number: int
    seed: int
    model: Path
    source: Path
    first_step: int

    @property
    def is_sft(self) -> bool:
        """Whether it is a start's fine-tuning."""
        return self.number == 0

    @property
    def stage(self) -> Stage:
        """The stage of reinforcement learning."""
        return self.config.arms[self.name].stages[self.number - 1]

    @property
    def reward(self) -> RewardSettings:
        """How completions are rewarded."""
        name = self.config.arms[self.name].reward
        assert name is not None  # noqa: S101 - checked by Arm
        return self.config.rewards[name]

    @property
    def system_prompt(self) -> str | None:
        """System turn of its prompts."""
        return None if self.is_sft else self.config.arms[self.name].system_prompt

    @property
    def completions(self) -> str:
        """For SFT: `chains` or `answers`."""
        learnt = self.config.starts[self.name].sft
        assert learnt is not None  # noqa: S101 - `of` refuses such a start
        return learnt

    @property
    def title(self) -> str:
        """A name for logs and folders."""
        return f"{self.name}-s{self.seed}-{'sft' if self.is_sft else f'stage{self.number}'}"

    def values(self) -> dict[str, Any]:
        """What it learns by, by flat key; each has a place in the table of counterparts."""
        seed = {"seed": self.seed}
        if self.is_sft:
            start = self.config.starts[self.name]
            return {**seed, "start.model": start.model, "start.sft": start.sft, **dict(_flat("sft", self.config.sft))}
        arm = self.config.arms[self.name]
        return {
            **seed,
            "start.model": self.config.starts[arm.start].model,
            "system_prompt": arm.system_prompt,
            **{key: value for key, value in _flat("stage", self.stage) if key.partition(".")[2] not in _WHO_TRAINS},
            **dict(_flat("rl", self.config.rl)),
            **dict(_flat("reward", self.reward)),
        }

    def inputs(self) -> dict[str, str]:
        """Content hashes of what it is made from, as the manifest of our own training names them."""
        source = content_sha(self.source) if self.is_sft else file_sha(self.source)
        return {"model": content_sha(self.model), "coldset" if self.is_sft else "problems": source}


def handed_stage(config: Config, arm: str, number: int, seed: int, results: str = "results") -> HandedStage:
    """A stage of an arm; number 0 is the fine-tuning of its start.

    Raises:
        UserError: The config has no such arm or stage, or the start trains nothing.
    """
    plan = Plan(config, results)
    if arm not in config.arms:
        raise UserError(f"--arm {arm}: no such arm; known: {', '.join(config.arms)}")
    if not 0 <= number <= len(config.arms[arm].stages):
        raise UserError(f"--stage {number}: {arm} has the stages 1 to {len(config.arms[arm].stages)}, and 0 for SFT")
    if number == 0:
        return replace(handed_start(config, config.arms[arm].start, seed, results), arm=arm)
    settings = config.of_arm(arm)
    chosen = settings.arms[arm].stages[number - 1]
    return HandedStage(
        config=settings,
        name=arm,
        arm=arm,
        number=number,
        seed=seed,
        model=Path(plan.stage_model(arm, number - 1, seed)),
        source=Path(plan.problems(chosen.problems or settings.rl.problems)) / PROBLEMS,
        first_step=plan.last_step(arm, number - 1),
    )


def handed_start(config: Config, start: str, seed: int, results: str = "results") -> HandedStage:
    """The fine-tuning of a start.

    Raises:
        UserError: It trains nothing.
    """
    plan = Plan(config, results)
    if config.starts[start].sft is None:
        raise UserError(f"--stage 0: the start {start!r} is a model and is not fine-tuned; give a stage from 1")
    return HandedStage(
        config=config.of_start(start),
        name=start,
        arm=start,
        number=0,
        seed=seed,
        model=Path(plan.model(config.starts[start].model)),
        source=Path(plan.coldset()),
        first_step=0,
    )


def _flat(prefix: str, section: BaseModel) -> Iterator[tuple[str, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _flat(f"{prefix}.{name}", value)
        else:
            yield f"{prefix}.{name}", value
