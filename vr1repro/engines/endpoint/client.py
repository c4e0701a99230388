"""Sampling from an OpenAI-compatible endpoint: one event loop, in the caller's thread, run between the replies.

No thread of its own: two threads that take turns on every reply would spend their time waiting for each other's lock.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from vr1repro.config.evaluation import EndpointSampler
from vr1repro.core.errors import UserError
from vr1repro.engines.base import Completion, Event, Request, Sampling
from vr1repro.engines.endpoint.limiter import Limiter, Meter, backoff_s
from vr1repro.engines.endpoint.pool import Flight


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
    ) -> None:
        """Connect and find the model's name.

        Args:
            url: Base URL; `/v1` is added where it is missing.
            settings: Model name, concurrency, retries, further body keys.
            max_image_pixels: Larger pictures are scaled down before they are sent.
            meter: Counts what replies cost, and says when to stop.
            watch: Told of every try before it is sent and after it failed.
            keep_going: Whether a request whose tries are used up is a completion with finish reason `failed`; else the
                run ends.
            died: Asked after a connection failed: what a server of ours said before it ended, None while it runs.

        Raises:
            UserError: The endpoint does not answer, or serves several models and none is named.
        """
        base = url.rstrip("/")
        self.url = base if base.endswith("/v1") else f"{base}/v1"
        # A local server takes any key; a hosted one refuses this with a clear message.
        self._key = os.environ.get(settings.key_env) or "no-key"
        self.settings, self.max_image_pixels = settings, max_image_pixels
        self.meter, self.watch, self.keep_going = meter or Meter(), watch or (lambda event: None), keep_going
        self.died = died or (lambda: None)
        self.seen_ids: set[str] = set()
        self.limiter: Limiter | None = None
        self.model = settings.model or self._only_model()
        self.model_sha: str | None = None
        self.facts: dict[str, Any] = {"engine": "openai", "model": self.model, "extra": settings.extra}

    def render(self, request: Request) -> str:
        """What identifies the prompt: the server's chat template is not known, so the conversation as JSON."""
        return json.dumps(request.messages(), ensure_ascii=False, sort_keys=True)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Sample with up to `concurrency` requests in flight; completions come as they arrive.

        Raises:
            UserError: The endpoint refuses the key or the request, the budget is spent, or it gave up after all
                retries. What was in flight then is still yielded first.
        """
        loop = asyncio.new_event_loop()
        flight = Flight(self, requests, sampling)
        task = loop.create_task(flight.run())
        try:
            while batch := loop.run_until_complete(flight.landed(task)):
                yield from batch
            task.result()
        finally:
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def clean(self, text: str) -> str:
        """A server's words without the key, which some of them repeat."""
        return text.replace(self._key, "***") if self._key != "no-key" else text

    def session(self) -> Any:
        """A new HTTP session; connections are kept open."""
        import aiohttp

        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout_s),
            # A proxy from the environment is for hosted endpoints, never for this machine.
            trust_env=urlsplit(self.url).hostname not in ("127.0.0.1", "localhost", "::1"),
        )

    def _only_model(self) -> str:
        async def ask() -> tuple[int, bytes]:
            async with self.session() as session, session.get(f"{self.url}/models") as response:
                return response.status, await response.read()

        status, data = _once(ask, self.settings, self.url)
        try:
            models = [str(model["id"]) for model in json.loads(data)["data"]] if status == 200 else None
        except (ValueError, KeyError, TypeError):
            models = None
        if models is None:
            said = self.clean(data[:200].decode("utf-8", "replace"))
            raise UserError(f"{self.url}: does not list its models (status {status}): {said}; set the sampler's model")
        if len(models) != 1:
            raise UserError(f"{self.url}: serves {', '.join(models) or 'nothing'}; set evaluation.engine.model")
        return models[0]


def _once(
    ask: Callable[[], Coroutine[Any, Any, tuple[int, bytes]]], settings: EndpointSampler, url: str
) -> tuple[int, bytes]:
    import aiohttp

    for tried in range(settings.retries + 1):
        try:
            return asyncio.run(ask())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = error
        if tried < settings.retries:
            time.sleep(backoff_s(tried + 1, settings.max_backoff_s))
    raise UserError(f"{url}: does not answer: {type(failure).__name__}: {failure}") from None
