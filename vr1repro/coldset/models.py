"""The models that Modality Bridging samples from, and the modules that run them.

A module is loaded by its name, so that the code hash of bridging covers only the kinds that a config uses
(`bridge_modules`).
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from vr1repro.coldset.ledger import Ledger
from vr1repro.config.coldset import ColdsetSettings, ModelEngine, ScriptedEngine
from vr1repro.config.lab import LabTeacher
from vr1repro.engines.base import Completion, Request
from vr1repro.engines.load import SERVER, engine_modules

# Kind of `coldset.mllm` and `coldset.reasoner` to its module, which has a function `open_model`.
MODULES = {"model": "vr1repro.coldset.sampled", "scripted": "vr1repro.coldset.scripted"}


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


def open_model(settings: ModelEngine | ScriptedEngine, context: JobContext) -> BridgeModel:
    """The model that `coldset.mllm` or `coldset.reasoner` names.

    Raises:
        UserError: A scripted reasoner without a lab.
    """
    model: BridgeModel = importlib.import_module(MODULES[settings.kind]).open_model(settings, context)
    return model


def bridge_modules(settings: ColdsetSettings) -> list[str]:
    """Modules that bridging loads by name under these settings, for a rule's code hash."""
    modules: set[str] = set()
    for model in (settings.mllm, settings.reasoner):
        modules.add(MODULES[model.kind])
        if isinstance(model, ModelEngine):
            modules |= {*engine_modules(model.sampler), *([SERVER] if model.server is not None else [])}
    return sorted(modules)
