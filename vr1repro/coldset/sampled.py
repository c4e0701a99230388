"""Bridging with a model that is sampled: in the job, behind an endpoint, or served by the job."""

import importlib
from collections.abc import Iterator, Mapping, Sequence

from vr1repro.coldset.bridge_model import JobContext
from vr1repro.coldset.ledger import Ledger, call
from vr1repro.config.coldset import ModelEngine
from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.provenance import content_sha
from vr1repro.engines.base import Completion, Engine, Event, Request, Sampling
from vr1repro.engines.budget import Meter
from vr1repro.engines.load import SERVER, engine_class, load_engine


class SampledModel:
    """A model that is loaded at its first request."""

    def __init__(self, settings: ModelEngine, context: JobContext) -> None:
        self._model, self._context = settings, context
        self._folder = context.folders.get(settings.model)
        self._engine: Engine | None = None
        prices, tokens, money = settings.prices, settings.budget_tokens, settings.budget_money
        self._meter = Meter(
            prompt_price=None if prices is None else prices.prompt,
            completion_price=None if prices is None else prices.completion,
            budget_tokens=tokens and max(1, tokens // context.shards),
            budget_money=money and money / context.shards,
        )
        self._ledger: Ledger | None = None
        self._first_step, self._step, self._shas = "", "", list[str]()

    @property
    def settings(self) -> dict[str, object]:
        """See `BridgeModel`. Address, speed and price are left out: they decide no completion."""
        values = self._model.model_dump(
            mode="json", exclude={"sampler", "prices", "budget_tokens", "budget_money", "server", "identity"}
        )
        sampler = self._model.sampler
        if isinstance(sampler, EndpointSampler):
            values["extra"] = sampler.extra
            if self._model.is_endpoint:
                values["model"] = self._model.identity or sampler.model
        return {**values, "model_sha": content_sha(self._folder) if self._folder else None}

    def attach(self, ledger: Ledger, steps: Sequence[str]) -> None:
        """See `BridgeModel`."""
        self._ledger, self._first_step = ledger, steps[0]
        for step in steps:
            for prompt, completion in ledger.spent.get(step, []):
                self._meter.add(prompt, completion)

    def complete(self, step: str, requests: Mapping[str, Request]) -> Iterator[tuple[str, Completion]]:
        """See `BridgeModel`."""
        if not requests:
            return
        self._step, self._shas = step, list(requests)
        if self._engine is None:
            self._engine = self._load()
        sampling = Sampling(self._model.temperature, self._model.top_p, self._model.max_tokens)
        for completion in self._engine.generate(list(requests.values()), sampling):
            yield self._shas[completion.key], completion

    def cost(self, completion: Completion) -> float | None:
        """See `BridgeModel`."""
        return self._meter.cost(completion.n_prompt_tokens, completion.n_tokens)

    def _load(self) -> Engine:
        model, threads = self._model, self._context.threads
        weights = str(self._folder or model.model)
        if not isinstance(model.sampler, EndpointSampler):
            return load_engine(weights, model.sampler, threads, model.max_image_pixels)
        url, died = model.model, None
        if model.server is not None:
            serve = importlib.import_module(SERVER).serve
            name = model.sampler.model or model.model
            server = self._context.stack.enter_context(serve(weights, name, model.server, threads))
            url, died = server.url, server.died
        engine: Engine = engine_class(model.sampler)(
            url,
            model.sampler,
            max_image_pixels=model.max_image_pixels,
            meter=self._meter,
            watch=self._note,
            keep_going=True,
            died=died,
            seen_ids=set() if self._ledger is None else set(self._ledger.reply_ids),
            journal=None if self._ledger is None else self._ledger.folder / f"replies-{self._first_step}.jsonl",
        )
        return engine

    def _note(self, event: Event) -> None:
        if self._ledger is not None:
            self._ledger.note(call(self._shas[event.key], self._step, event.what, event.attempt))


def open_model(settings: ModelEngine, context: JobContext) -> SampledModel:
    """The model that the config names."""
    return SampledModel(settings, context)
