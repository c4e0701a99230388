"""Bridging with the lab's scripted reasoner, which sees text only."""

from collections.abc import Iterator, Mapping, Sequence

from vr1repro.coldset.bridge_model import JobContext
from vr1repro.coldset.ledger import Ledger
from vr1repro.config.coldset import ScriptedEngine
from vr1repro.config.lab import LabTeacher
from vr1repro.core.errors import UserError
from vr1repro.engines.base import Completion, Request
from vr1repro.lab.teacher import reason


class ScriptedModel:
    """The lab's reasoner as a model of bridging."""

    def __init__(self, teacher: LabTeacher, threshold: int) -> None:
        self._teacher, self._threshold = teacher, threshold

    @property
    def settings(self) -> dict[str, object]:
        """See `BridgeModel`."""
        return {"kind": "scripted", "threshold": self._threshold, **self._teacher.model_dump(mode="json")}

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        """Nothing to note: a script has no tries and no cost."""

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        """Write all chains of a step."""
        for sha, request in requests.items():
            text = reason(request.text, request.seed, self._teacher, self._threshold)
            yield sha, Completion(key=request.key, text=text, n_tokens=None, finish_reason="stop")

    def cost(self, completion: Completion) -> float | None:
        """A script costs nothing that is counted."""
        return None


def open_model(settings: ScriptedEngine, context: JobContext) -> ScriptedModel:
    """The lab's reasoner.

    Raises:
        UserError: The config has no lab.
    """
    if context.teacher is None:
        raise UserError("coldset.reasoner: kind scripted needs `lab`, which is null")
    return ScriptedModel(context.teacher, context.threshold)
