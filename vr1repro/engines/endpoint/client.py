"""Sampling from an OpenAI-compatible endpoint: one event loop, in the caller's thread, run between the completions.

The client has no thread of its own: two threads that take turns on every reply would spend their time waiting for each
other's lock.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from vr1repro.config.samplers import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.core.outside import json_value
from vr1repro.core.secrets import REDACTION, key_in
from vr1repro.engines.base import Completion, Event, Request, Sampling
from vr1repro.engines.budget import Meter
from vr1repro.engines.endpoint.bodies import read_body
from vr1repro.engines.endpoint.connection import NO_KEY, Connection
from vr1repro.engines.endpoint.journal import Journal
from vr1repro.engines.endpoint.limiter import Limiter
from vr1repro.engines.endpoint.pool import RequestPool
from vr1repro.engines.endpoint.protocol import TryAgain
from vr1repro.engines.endpoint.retries import backoff_s

# How long `served_model` waits for a reply.
_PATIENCE_S = 5.0


class EndpointEngine:
    """A served model. Token counts and finish reasons are the server's; its tokenizer is not seen."""

    def __init__(
        self,
        url: str,
        settings: EndpointSampler,
        *,
        max_image_pixels: int | None = None,
        meter: Meter | None = None,
        watch: Callable[[Event], None] | None = None,
        keep_going: bool = False,
        died: Callable[[], str | None] | None = None,
        seen_ids: set[str] | None = None,
        journal: Path | None = None,
    ) -> None:
        """Connect and find the model's name.

        Args:
            url: Base URL; `/v1` is added where it is missing.
            settings: Model name, concurrency, retries, further body keys.
            max_image_pixels: See `Connection`, as for what follows.
            meter: None counts without a budget.
            watch: None tells nobody.
            keep_going: False ends the run with the first request that fails for good.
            died: None where the server is not ours.
            seen_ids: None where no reply was received before.
            journal: Where replies are kept until the caller has taken them; None keeps none.

        Raises:
            UserError: The endpoint does not answer, or serves several models and none is named; or the address or the
                settings hold a key.
        """
        base = url.rstrip("/")
        refuse_key_in(base)
        key = os.environ.get(settings.key_env) or NO_KEY
        if key != NO_KEY:
            REDACTION.register(key)
        connection = Connection(
            url=base if base.endswith("/v1") else f"{base}/v1",
            key=key,
            model=settings.model or "",
            settings=settings,
            max_image_pixels=max_image_pixels,
            meter=meter or Meter(),
            watch=watch or (lambda event: None),
            keep_going=keep_going,
            died=died or (lambda: None),
            seen_ids=seen_ids or set(),
            journal=Journal(journal),
        )
        self.connection = connection if connection.model else replace(connection, model=_only_model(connection))
        self.limiter: Limiter | None = None
        self.model_sha: str | None = None
        self.facts: dict[str, Any] = {"engine": "openai", "model": self.connection.model, "extra": settings.extra}

    def render(self, request: Request) -> str:
        """The conversation as JSON, which identifies the prompt: the server's chat template is not known."""
        return json.dumps(request.messages(), ensure_ascii=False, sort_keys=True)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample with up to `concurrency` requests in flight; completions come as they arrive.

        Raises:
            UserError: The endpoint refuses the key or the request, the budget is spent, or it gave up after all
                retries. What was in flight then is still yielded first.
        """
        pool = RequestPool(self.connection, requests, sampling)
        self.limiter = pool.limiter
        loop = asyncio.new_event_loop()
        task = loop.create_task(pool.run())
        completed = 0
        try:
            while batch := loop.run_until_complete(pool.completions(task)):
                yield from batch
                pool.taken(batch)
                completed += len(batch)
            task.result()
        finally:
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            self.connection.journal.end()
        if completed != len(requests):
            raise RuntimeError(f"{self.connection.url}: {len(requests) - completed} requests vanished in the client")


def refuse_key_in(url: str) -> None:
    """Refuse an address that holds a password or a key: it would be written to files.

    Raises:
        UserError: It does.
    """
    parts = urlsplit(url)
    if parts.password is not None or key_in(dict(parse_qsl(parts.query))) is not None:
        raise UserError(
            f"{parts.scheme}://{parts.hostname}: the address holds a password or key, which would be written to files;"
            " put it into the environment variable that `key_env` names"
        )


def served_model(url: str, settings: EndpointSampler) -> str:
    """The name under which an endpoint serves a model, told within seconds; before anything else depends on it.

    Raises:
        UserError: The endpoint does not answer, or serves several models and none is named.
    """
    # Named, so that no question is sent while the engine is made.
    hasty = settings.model_copy(update={"retries": 0, "timeout_s": _PATIENCE_S, "model": settings.model or "?"})
    connection = EndpointEngine(url, hasty).connection
    if settings.model is None:
        return _only_model(connection)
    _models(connection)
    return settings.model


def _models(connection: Connection) -> tuple[int, bytes]:
    """Status and body of the endpoint's list of models."""

    async def ask() -> tuple[int, bytes]:
        async with (
            connection.session() as session,
            session.get(f"{connection.url}/models", allow_redirects=False) as response,
        ):
            return response.status, await read_body(response, connection.settings.max_reply_bytes)

    return _once(ask, connection.settings, connection.url)


def _only_model(connection: Connection) -> str:
    url = connection.url
    status, data = _models(connection)
    try:
        models = [str(model["id"]) for model in json_value(data.decode())["data"]] if status == 200 else None
    except (ValueError, KeyError, TypeError):
        models = None
    if models is None:
        words = connection.without_key(data[:200].decode("utf-8", "replace"))
        raise UserError(f"{url}: does not list its models (status {status}): {words}; set the sampler's model")
    if len(models) != 1:
        raise UserError(
            f"{url}: serves {', '.join(models) or 'nothing'}; set evaluation.engine.model in a"
            " config, or --engine-options '{\"model\": NAME}' of `vr1repro evaluate`"
        )
    return models[0]


def _once(
    ask: Callable[[], Coroutine[Any, Any, tuple[int, bytes]]], settings: EndpointSampler, url: str
) -> tuple[int, bytes]:
    import aiohttp

    for tries in range(1, settings.retries + 2):
        try:
            return asyncio.run(ask())
        except (aiohttp.ClientError, TimeoutError, OSError, TryAgain) as error:
            failure = error
        if tries <= settings.retries:
            time.sleep(backoff_s(tries, settings.max_backoff_s))
    raise UserError(f"{url}: does not answer: {type(failure).__name__}: {failure}") from None
