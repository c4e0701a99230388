"""What an estimate is made of: ranges, the inputs that they rest on, and the cost of a stage."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from vr1repro.config.models import ModelSource
from vr1repro.config.plan import Plan
from vr1repro.config.run import Resources
from vr1repro.scale.ranges import NOTHING, Range, Tag
from vr1repro.scale.shapes import ModelShape, shape_of


class Input(NamedTuple):
    """A figure that an estimate rests on."""

    tag: Tag
    text: str


PAPER_SIZE = 7.0  # billions of parameters of the model that these times are of
CHAIN_TOKENS = Range(1285, 3566)  # v1 Table 4, average lengths: Zero the shortest, CI the longest


@dataclass
class Cost:
    """One stage of the plan. Disk: what stays, and what is there at the most."""

    name: str
    jobs: int = 0
    need: Resources | None = None
    nodes: int = 1
    gpu_hours: Range = NOTHING
    longest: Range = NOTHING  # GPU-hours of its longest job
    disk_gb: Range = NOTHING
    money: Range | None = NOTHING
    inputs: list[Input] = field(default_factory=list)

    @property
    def gpus(self) -> int:
        """GPUs of one job."""
        return self.need.gpu * self.nodes if self.need else 0

    @property
    def hours(self) -> Range | None:
        """Hours of its longest job with that job's GPUs; None where it has none."""
        return self.longest.times(1 / self.gpus) if self.gpus and self.longest.high else None

    def add(self, gpu_hours: Range) -> None:
        """Count a job."""
        self.gpu_hours += gpu_hours
        self.longest = max(self.longest, gpu_hours, key=lambda hours: hours.high)


def billions(source: ModelSource) -> float:
    """Parameters in billions, by the size in the model's name; the paper's 7 where the name has none."""
    if source.kind == "lab":
        return 0.001
    name = source.id if source.kind == "hub" else source.path
    match = re.search(r"(?<![\d.])(\d+(?:\.\d+)?)[Bb](?![a-zA-Z])", name)
    return float(match[1]) if match else PAPER_SIZE


def size_of(plan: Plan, start: str) -> float:
    """Billions of parameters of the model that a start is of."""
    return billions(plan.config.models[plan.config.starts[start].model])


def shape_of_start(plan: Plan, start: str) -> ModelShape | None:
    """Shape of the model that a start is of, where it is known."""
    return shape_of(plan.config.models[plan.config.starts[start].model])
