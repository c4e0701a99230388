"""The engines of Modality Bridging: a model, in the job or behind an endpoint, or the lab's scripted reasoner."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vr1repro.coldset.bridge import Ask, Engine, Reply
from vr1repro.config.coldset import ModelEngine, ScriptedEngine
from vr1repro.config.lab import LabTeacher
from vr1repro.errors import UserError
from vr1repro.provenance import content_sha

if TYPE_CHECKING:
    from vr1repro.engines.base import Engine as Sampler


def open_engine(
    settings: ModelEngine | ScriptedEngine,
    models: Mapping[str, Path],
    habits: tuple[LabTeacher, int] | None,
    threads: int,
) -> Engine:
    """The engine that the config names.

    Args:
        settings: `coldset.mllm` or `coldset.reasoner`.
        models: Folders of the config's models.
        habits: The scripted reasoner's habits and its world's threshold.
        threads: CPU threads of a model run here.

    Raises:
        UserError: A scripted reasoner without a lab.
    """
    if isinstance(settings, ModelEngine):
        return _Model(settings, models.get(settings.model), threads)
    if habits is None:
        raise UserError("coldset.reasoner: kind scripted needs `lab`, which is null")
    return _Scripted(*habits)


class _Model:
    """A model that answers, loaded at its first request."""

    def __init__(self, settings: ModelEngine, folder: Path | None, threads: int) -> None:
        self._asked, self._folder, self._threads = settings, folder, threads
        self._engine: Sampler | None = None

    @property
    def settings(self) -> dict[str, object]:
        # How fast it answers (batches, concurrency) is left out: it decides no reply.
        asked = self._asked.model_dump(mode="json", exclude={"sampler"})
        return {**asked, "model_sha": content_sha(self._folder) if self._folder else None}

    def reply(self, asks: Sequence[Ask]) -> Iterator[Reply]:
        if not asks:
            return
        from vr1repro.engines.base import Request, Sampling
        from vr1repro.engines.load import load_engine

        if self._engine is None:
            self._engine = load_engine(str(self._folder or self._asked.model), self._asked.sampler, self._threads)
        requests = [
            Request(number, ask.text, (ask.image,) if ask.image is not None else (), ask.seed)
            for number, ask in enumerate(asks)
        ]
        sampling = Sampling(self._asked.temperature, self._asked.top_p, self._asked.max_tokens)
        for done in self._engine.generate(requests, sampling):
            yield Reply(asks[done.key].key, done.text, done.n_tokens, done.finish_reason)


class _Scripted:
    """The lab's reasoner."""

    def __init__(self, habits: LabTeacher, threshold: int) -> None:
        self._habits, self._threshold = habits, threshold

    @property
    def settings(self) -> dict[str, object]:
        return {"kind": "scripted", "threshold": self._threshold, **self._habits.model_dump(mode="json")}

    def reply(self, asks: Sequence[Ask]) -> Iterator[Reply]:
        from vr1repro.micro.teacher import reason

        for ask in asks:
            yield Reply(ask.key, reason(ask.text, ask.seed, self._habits, self._threshold), None, "stop")
