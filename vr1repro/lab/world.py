"""Generated problems: pictures of rows, questions about them, and partitions that share no row of values."""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vr1repro.config.lab import Difficulty, Family, Kind, LabWorld, Partition
from vr1repro.core.errors import UserError
from vr1repro.core.records import Problem
from vr1repro.lab import drawing, formats, questions
from vr1repro.lab.formats import Style
from vr1repro.lab.questions import Task

SOURCE = "micro"
PARTITIONS: tuple[Partition, ...] = ("pretrain", "cold", "rl", "benchmark")
_STYLES: dict[Style, float] = {
    "plain": 0.45,
    "plain-choice": 0.05,
    "mathvista": 0.15,
    "mathvista-choice": 0.1,
    "mathverse": 0.15,
    "mathverse-choice": 0.1,
}
_N_CHOICES = 4
_TRIES = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """One task as a picture.

    Attributes:
        family: Glyphs that show the values.
        signed: Whether a sign in the picture asks the question.
    """

    family: Family
    task: Task
    signed: bool

    @property
    def sign(self) -> Kind | None:
        """The kind that a sign in the picture asks for, or None."""
        return self.task.kind if self.signed else None

    @property
    def question(self) -> str:
        """The question in words, empty where a sign asks it."""
        return "" if self.signed else questions.sentence(self.task.kind, self.task.threshold)

    @property
    def description(self) -> str:
        """A true and complete description of the picture."""
        return questions.describe(self.family, self.task.values, self.sign, self.task.threshold)

    @property
    def id(self) -> str:
        """Kind, family and values: equal for equal content."""
        return f"{self.task.kind}-{self.family}-{''.join(map(str, self.task.values))}{'-sign' if self.signed else ''}"


def choose(weights: Mapping[T, float], rng: random.Random) -> T:
    """Draw a key by its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def partition_of(world: LabWorld, values: Sequence[int]) -> Partition:
    """The one partition that owns a row of values: a hash of the values, whatever the glyphs or the question."""
    digest = hashlib.sha256(("row:" + " ".join(map(str, values))).encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64 * sum(world.partitions.values())
    for name in PARTITIONS:
        place -= world.partitions[name]
        if place < 0:
            return name
    return PARTITIONS[-1]


def difficulty_of(world: LabWorld, task: Task) -> Difficulty:
    """A problem's class, by the tokens of its shortest correct completion."""
    tokens = questions.completion_tokens(task)
    return "hard" if tokens > world.hard_above else "medium" if tokens > world.medium_above else "easy"


def draw_scene(world: LabWorld, partition: Partition, rng: random.Random, longest: int = 16) -> Scene:
    """Draw a scene of a partition, with rows of at most `longest` cells."""
    rows = {cells: weight for cells, weight in world.rows.items() if cells <= longest and weight > 0}
    if not rows:
        raise UserError(f"lab.world.rows: no row of at most {longest} cells; mend it, or lab.pretrain.phases")
    while True:
        family = choose(world.families, rng)
        values = tuple(rng.choices(questions.VALUES[family], k=choose(rows, rng)))
        if partition_of(world, values) == partition:
            break
    task = Task(kind=choose(world.kinds, rng), values=values, threshold=world.threshold)
    return Scene(family=family, task=task, signed=rng.random() < world.signed)


def make_choices(task: Task, rng: random.Random) -> list[str]:
    """Four different values in random order, the right one among them."""
    near = [task.answer + step for step in (-3, -2, -1, 1, 2, 3, 10) if task.answer + step >= 0]
    options = [task.answer, *rng.sample(near, _N_CHOICES - 1)]
    rng.shuffle(options)
    return [str(option) for option in options]


def make_problem(world: LabWorld, scene: Scene, name: str, image: bytes | None, rng: random.Random) -> Problem:
    """The problem that a scene makes, its question put in a style that is drawn here.

    Args:
        world: Decides the difficulty.
        name: The problem's id.
        image: The picture, where it is already drawn.
        rng: Draws style and choices.
    """
    style = choose(_STYLES, rng)
    choices = make_choices(scene.task, rng) if style.endswith("choice") else None
    return Problem(
        id=name,
        source=SOURCE,
        question=formats.ask(_words(scene, style, rng), style, choices, cot=rng.random() < 0.5),
        answer=str(scene.task.answer),
        choices=choices if style == "plain-choice" else None,
        image=image,
        metadata={**metadata(world, scene), "style": style},
    )


def _words(scene: Scene, style: Style, rng: random.Random) -> str:
    if not style.startswith("mathverse"):
        return scene.question
    version = rng.choice(formats.VERSIONS[3:] if scene.signed else formats.VERSIONS[:3])
    return formats.version_text(version, scene.family, scene.task.values, scene.question)


def unique_scenes(world: LabWorld, partition: Partition, n: int, rng: random.Random) -> Iterator[Scene]:
    """Draw `n` scenes of different content.

    Raises:
        UserError: The partition does not hold so many.
    """
    seen: set[str] = set()
    for _ in range(n):
        for _ in range(_TRIES):
            scene = draw_scene(world, partition, rng)
            if scene.id not in seen:
                break
        else:
            raise UserError(f"lab: partition {partition!r} has little over {len(seen)} problems, {n} are wanted")
        seen.add(scene.id)
        yield scene


def generate(world: LabWorld, partition: Partition, n: int, seed: int) -> Iterator[Problem]:
    """Generate `n` different problems of a partition.

    Args:
        partition: Whose rows of values are used.
        seed: Equal seeds give equal problems.

    Yields:
        Problems with source `micro` and the value as answer. `question` is put in one of the benchmarks' styles, with
        the choices in it, except that style `plain-choice` has them in `choices`. Metadata: kind, family, values,
        cells, difficulty, min_tokens, signed, style.

    Raises:
        UserError: The partition does not hold so many problems.
    """
    rng = random.Random(f"{partition}:{seed}")
    for scene in unique_scenes(world, partition, n, rng):
        picture = drawing.draw(scene.family, scene.task.values, scene.sign, world.jitter, rng)
        yield make_problem(world, scene, f"{partition}-{scene.id}", drawing.encode(picture), rng)


def metadata(world: LabWorld, scene: Scene) -> dict[str, object]:
    """What a report needs to know of a scene."""
    return {
        "kind": scene.task.kind,
        "family": scene.family,
        "values": list(scene.task.values),
        "cells": len(scene.task.values),
        "difficulty": difficulty_of(world, scene.task),
        "min_tokens": questions.completion_tokens(scene.task),
        "signed": scene.signed,
    }
