"""What Modality Bridging asks of a model, and what a job gives to one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vr1repro.coldset.ledger import Ledger
from vr1repro.config.lab import LabTeacher
from vr1repro.engines.base import Completion, Request


class BridgeModel(Protocol):
    """What a step of bridging samples from. Weights are loaded at the first request, not before."""

    @property
    def settings(self) -> dict[str, object]:
        """All that decides a completion beside the request; part of the request's hash."""
        ...

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        """Note tries in this ledger, and count the past cost of these steps. Called once."""
        ...

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        """Sample all requests of a step; each completion comes with its request's hash, in any order."""
        ...

    def cost(self, completion: Completion) -> float | None:
        """Cost of a completion; None where prices are unknown."""
        ...


@dataclass(frozen=True, kw_only=True)
class JobContext:
    """What the job has for its models.

    Attributes:
        folders: Folders of the config's models.
        threads: CPU threads of a model run here.
        shards: Number of jobs that share the budget.
        teacher: The scripted reasoner's settings, None without a lab.
        threshold: The lab world's threshold.
        stack: Ends what a model starts.
    """

    folders: Mapping[str, Path]
    threads: int
    shards: int = 1
    teacher: LabTeacher | None = None
    threshold: int = 0
    stack: ExitStack = field(default_factory=ExitStack)
