"""The engines of Modality Bridging: a model, in the job or behind an endpoint, or the lab's scripted reasoner."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from vr1repro.coldset.bridge import Ask, Engine, Reply
from vr1repro.coldset.ledger import Ledger, call
from vr1repro.config.coldset import ModelEngine, ScriptedEngine
from vr1repro.config.evaluation import EndpointSampler
from vr1repro.config.lab import LabTeacher
from vr1repro.core.errors import UserError
from vr1repro.core.provenance import content_sha
from vr1repro.engines.endpoint.limiter import Meter

if TYPE_CHECKING:
    from vr1repro.engines.base import Engine as Sampler
    from vr1repro.engines.base import Event


def open_engine(
    settings: ModelEngine | ScriptedEngine,
    models: Mapping[str, Path],
    habits: tuple[LabTeacher, int] | None,
    threads: int,
    shards: int = 1,
    stack: ExitStack | None = None,
) -> Engine:
    """The engine that the config names.

    Args:
        settings: `coldset.mllm` or `coldset.reasoner`.
        models: Folders of the config's models.
        habits: The scripted reasoner's habits and its world's threshold.
        threads: CPU threads of a model run here.
        shards: How many jobs share the budget.
        stack: Ends what the engine starts.

    Raises:
        UserError: A scripted reasoner without a lab.
    """
    if isinstance(settings, ModelEngine):
        return _Model(settings, models.get(settings.model), threads, shards, stack or ExitStack())
    if habits is None:
        raise UserError("coldset.reasoner: kind scripted needs `lab`, which is null")
    return _Scripted(*habits)


class _Model:
    """A model that answers, loaded at its first request."""

    def __init__(self, settings: ModelEngine, folder: Path | None, threads: int, shards: int, stack: ExitStack) -> None:
        self._asked, self._folder, self._threads, self._stack = settings, folder, threads, stack
        self._engine: Sampler | None = None
        prices, tokens, money = settings.prices, settings.budget_tokens, settings.budget_money
        self._meter = Meter(
            prompt_price=None if prices is None else prices.prompt,
            completion_price=None if prices is None else prices.completion,
            budget_tokens=tokens and max(1, tokens // shards),
            budget_money=money and money / shards,
        )
        self._ledger: Ledger | None = None
        self._step, self._keys = "", list[str]()

    @property
    def settings(self) -> dict[str, object]:
        # Where it answers, how fast and what it costs is left out: it decides no reply.
        asked = self._asked.model_dump(
            mode="json", exclude={"sampler", "prices", "budget_tokens", "budget_money", "server", "identity"}
        )
        sampler = self._asked.sampler
        if isinstance(sampler, EndpointSampler):
            asked["extra"] = sampler.extra
            if self._asked.is_endpoint:
                asked["model"] = self._asked.identity or sampler.model
        return {**asked, "model_sha": content_sha(self._folder) if self._folder else None}

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        self._ledger = ledger
        for step in steps:
            for prompt, completion in ledger.spent.get(step, []):
                self._meter.add(prompt, completion)

    def reply(self, step: str, asks: Sequence[Ask]) -> Iterator[Reply]:
        if not asks:
            return
        from vr1repro.engines.base import Request, Sampling

        self._step, self._keys = step, [ask.key for ask in asks]
        if self._engine is None:
            self._engine = self._load()
        requests = [
            Request(number, ask.text, (ask.image,) if ask.image is not None else (), ask.seed)
            for number, ask in enumerate(asks)
        ]
        sampling = Sampling(self._asked.temperature, self._asked.top_p, self._asked.max_tokens)
        for done in self._engine.generate(requests, sampling):
            yield Reply(
                asks[done.key].key,
                done.text,
                done.n_tokens,
                done.finish_reason,
                done.n_prompt_tokens,
                done.tries,
                done.seconds,
                self._meter.cost(done.n_prompt_tokens, done.n_tokens),
                done.reply_id,
                done.detail or None,
            )

    def _load(self) -> "Sampler":
        sampler = self._asked.sampler
        if not isinstance(sampler, EndpointSampler):
            from vr1repro.engines.load import load_engine

            return load_engine(
                str(self._folder or self._asked.model), sampler, self._threads, self._asked.max_image_pixels
            )
        from vr1repro.engines.endpoint.client import EndpointEngine

        url, died = self._asked.model, None
        if self._asked.server is not None:
            from vr1repro.engines.server import serve

            folder = str(self._folder or self._asked.model)
            name = sampler.model or self._asked.model
            server = self._stack.enter_context(serve(folder, name, self._asked.server, self._threads))
            url, died = server.url, server.died
        engine = EndpointEngine(
            url,
            sampler,
            max_image_pixels=self._asked.max_image_pixels,
            meter=self._meter,
            watch=self._note,
            keep_going=True,
            died=died,
        )
        if self._ledger is not None:
            engine.seen_ids |= self._ledger.reply_ids
        return engine

    def _note(self, event: "Event") -> None:
        if self._ledger is not None:
            self._ledger.note(call(self._keys[event.key], self._step, event.what, event.attempt))


class _Scripted:
    """The lab's reasoner."""

    def __init__(self, habits: LabTeacher, threshold: int) -> None:
        self._habits, self._threshold = habits, threshold

    @property
    def settings(self) -> dict[str, object]:
        return {"kind": "scripted", "threshold": self._threshold, **self._habits.model_dump(mode="json")}

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        pass

    def reply(self, step: str, asks: Sequence[Ask]) -> Iterator[Reply]:
        from vr1repro.lab.teacher import reason

        for ask in asks:
            yield Reply(ask.key, reason(ask.text, ask.seed, self._habits, self._threshold), None, "stop")
