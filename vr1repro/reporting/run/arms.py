"""A config's arms for the report, with their training logs and checkpoint scores in the order of the steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vr1repro.config.plan import Plan
from vr1repro.config.reporting import ReportSettings
from vr1repro.core.errors import UserError
from vr1repro.core.jsonl import read_lines
from vr1repro.core.outside import json_file
from vr1repro.core.records import STEPS_VERSION
from vr1repro.reporting.run.scores import accuracy, average_weights
from vr1repro.reporting.statistics.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class StageInfo:
    """One stage of an arm.

    Attributes:
        number: From 1.
        owner: The arm whose folder holds it; arms with equal first stages share them.
        last_step: Global step at which it ends.
        group: Samples a prompt.
    """

    number: int
    owner: str
    last_step: int
    max_tokens: int
    group: int


@dataclass(frozen=True, kw_only=True)
class ArmInfo:
    """An arm of the config, with the facts that tables and figures need.

    Attributes:
        name: Its key in the config.
        parent: The arm without stages that it starts from (its scores are this arm's step 0), itself if it has none.
        selected: Whether the config's run makes it.
        command: The command that makes it.
        trained: Whether a training seed of ours is behind it; weights taken as they are have none.
        released: Whether its weights are those that the published numbers are about.
        tuned_from: For a fine-tuned start, the arm of the model before.
    """

    name: str
    label: str
    parent: str
    stages: tuple[StageInfo, ...] = ()
    selected: bool = True
    command: str | None = None
    trained: bool = True
    released: bool = False
    tuned_from: str | None = None

    @property
    def last_step(self) -> int:
        """Global step at which the arm ends; 0 without stages."""
        return self.stages[-1].last_step if self.stages else 0


def from_plan(plan: Plan, config_file: str | None = None) -> dict[str, ArmInfo]:
    """The arms of a config, by name.

    Args:
        config_file: Named in the commands that would run an arm.
    """
    config = plan.config
    starts = {arm.start: name for name, arm in reversed(config.arms.items()) if not arm.stages}
    models = {start.model: name for name, start in config.starts.items() if start.sft is None}
    option = f" --configfile {config_file}" if config_file else ""
    return {
        name: ArmInfo(
            name=name,
            label=arm.label,
            parent=name if not arm.stages else starts.get(arm.start, name),
            stages=tuple(
                StageInfo(
                    number=k,
                    owner=plan.stage_owner(name, k),
                    last_step=plan.last_step(name, k),
                    max_tokens=stage.max_tokens,
                    group=stage.group,
                )
                for k, stage in enumerate(arm.stages, start=1)
            ),
            tuned_from=starts.get(models.get(config.starts[arm.start].model, ""))
            if not arm.stages and config.starts[arm.start].sft
            else None,
            selected=name in config.run_arms,
            command=f"snakemake --cores all {name}{option}",
            trained=(trained := bool(arm.stages) or config.starts[arm.start].sft is not None),
            released=not trained,
        )
        for name, arm in config.arms.items()
    }


def training_log(run: Path, arm: ArmInfo) -> pd.DataFrame:
    """The rows of an arm's `steps.jsonl` files, all training seeds, shared stages taken from their owners.

    Returns:
        The logged columns plus `train_seed`; `outcomes` spread into `outcome_<name>`. Empty where nothing was logged.

    Raises:
        UserError: A row lacks step or stage, or a file holds a step twice.
    """
    rows: list[dict[str, Any]] = []
    for stage in arm.stages:
        for path in sorted((run / "train" / stage.owner).glob(f"s*/stage{stage.number}/steps.jsonl")):
            rows += _stage_rows(path, stage.number)
    frame = pd.DataFrame(rows)
    return frame if frame.empty else frame.sort_values(["train_seed", "step"], ignore_index=True)


def _stage_rows(path: Path, stage: int) -> Iterator[dict[str, Any]]:
    seed = int(path.parts[-3].removeprefix("s"))
    seen: set[int] = set()
    for number, row in read_lines(path):
        check_version(f"{path}:{number}", row)
        if not isinstance(row.get("step"), int) or row.get("stage") != stage:
            raise UserError(f"{path}:{number}: needs an integer `step` and `stage` {stage}")
        if row["step"] in seen:
            raise UserError(f"{path}:{number}: step {row['step']} stands twice; resume must not repeat steps")
        seen.add(row["step"])
        outcomes = row.pop("outcomes", None) or {}
        yield row | {"train_seed": seed} | {f"outcome_{key}": n for key, n in outcomes.items()}


def check_version(place: str, row: Mapping[str, Any]) -> None:
    """Refuse a row of `steps.jsonl` in which a step means something else."""
    if row.get("schema_version") != STEPS_VERSION:
        raise UserError(
            f"{place}: an older version wrote it, in which a step was an update and not a rollout;"
            " train the stage again, or read it with that version"
        )


def smoothed(log: pd.DataFrame, column: str, points: int, last_step: int) -> pd.DataFrame:
    """Means of a logged column over equal windows of steps, for markers on a noisy curve.

    A window never crosses a stage border. With several training seeds the mean is that of the seeds' window means.

    Args:
        points: Windows over the whole arm.

    Returns:
        stage, step (the window's last), value, seed_low, seed_high, seeds.
    """
    width = max(1, -(-last_step // points))
    logged = log[log[column].notna()]
    first = logged.groupby("stage")["step"].transform("min")
    window = (logged["step"] - first) // width
    by_seed = (
        logged.assign(window=window)
        .groupby(["stage", "window", "train_seed"])
        .agg(step=("step", "max"), value=(column, "mean"))
    )
    merged = by_seed.groupby(["stage", "window"]).agg(
        step=("step", "max"),
        value=("value", "mean"),
        seed_low=("value", "min"),
        seed_high=("value", "max"),
        seeds=("value", "size"),
    )
    return merged.reset_index().drop(columns="window")


@dataclass(frozen=True)
class Point:
    """The mean accuracy over benchmarks at one step of an arm."""

    step: int
    stage: int
    estimate: Estimate


def trajectory(
    frame: pd.DataFrame,
    arm: ArmInfo,
    settings: ReportSettings,
    benchmarks: Sequence[str],
    arms: Mapping[str, ArmInfo] | None = None,
) -> list[Point]:
    """Accuracy of an arm's checkpoints in the order of their steps, from its start (step 0) to its end.

    Args:
        frame: Tidy rows of the headline protocol and profile.
        benchmarks: Whose mean is drawn; a checkpoint that lacks one gives no point.
        arms: All arms: where an earlier stage is the end of the arm that owns it, that end's rows stand for it.
    """
    inside = frame[frame["benchmark"].isin(benchmarks)]
    checkpoints = []
    start = inside[(inside["arm"] == arm.parent) & inside["final"]]
    if arm.stages:
        checkpoints.append((0, 0, start))
    for stage in arm.stages:
        owned = inside[inside["arm"] == stage.owner]
        on_the_way = owned[owned["stage"] == stage.number]
        for step in sorted(on_the_way["step"].unique()):
            checkpoints.append((int(step), stage.number, on_the_way[on_the_way["step"] == step]))
        owner = (arms or {}).get(stage.owner)
        if owner is not None and owner.name != arm.name and len(owner.stages) == stage.number:
            checkpoints.append((stage.last_step, stage.number, owned[owned["final"]]))
    checkpoints.append((arm.last_step, len(arm.stages), inside[(inside["arm"] == arm.name) & inside["final"]]))
    by_step: dict[int, Point] = {}
    for step, number, rows in checkpoints:
        if set(rows["benchmark"].unique()) == set(benchmarks):
            by_step[step] = Point(step, number, accuracy(rows, settings, average_weights(rows)))
    return [by_step[step] for step in sorted(by_step)]


def coldset_yield(folder: Path) -> dict[str, Any] | None:
    """`yield.json` in the cold-start set's folder, or None where none was built."""
    path = folder / "yield.json"
    if not path.exists():
        return None
    value = json_file(path)
    return value if isinstance(value, dict) else None
