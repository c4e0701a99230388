"""The requests of one call on their way to an endpoint: slots, tries, waiting, and an orderly end."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vr1repro.core.errors import UserError
from vr1repro.engines.base import Completion, Event, Request, Sampling
from vr1repro.engines.endpoint import protocol
from vr1repro.engines.endpoint.limiter import Limiter, backoff_s, retry_after_s
from vr1repro.problems.images import BadImage

if TYPE_CHECKING:
    from vr1repro.engines.endpoint.client import EndpointEngine

# How long what is in flight may take to land once nothing more is sent; it was paid for.
_LANDING_S = 60.0
# So many refusals without one reply are no fault of single requests.
_ALL_REFUSED = 20


class Flight:
    """The requests of one `generate` call."""

    def __init__(self, engine: "EndpointEngine", requests: Sequence[Request], sampling: Sampling) -> None:
        """Start with as many slots as the engine's settings say."""
        self._engine, self._settings, self._sampling = engine, engine.settings, sampling
        self._waiting = iter(requests)
        self._total = len(requests)
        self._landed: list[Completion] = []
        self._arrival = asyncio.Event()
        self._end: UserError | None = None
        self._ending = asyncio.Event()
        self._refusals = 0
        self._successes = 0
        self._last_success = time.monotonic()
        settings = self._settings
        self._limiter = Limiter(settings.concurrency, settings.start_concurrency, settings.latency_factor)
        engine.limiter = self._limiter

    async def landed(self, task: "asyncio.Task[None]") -> list[Completion]:
        """All completions that have come since the last call, at least one; none at the end."""
        if not self._landed and not task.done():
            arrival = asyncio.ensure_future(self._arrival.wait())
            await asyncio.wait((arrival, task), return_when=asyncio.FIRST_COMPLETED)
            arrival.cancel()
        self._arrival.clear()
        batch, self._landed = self._landed, []
        return batch

    async def run(self) -> None:
        """Send all requests, and raise what ended it early."""
        tasks: set[asyncio.Task[None]] = set()
        started = 0
        async with self._engine.session() as session:
            try:
                while self._end is None:
                    if (spent := self._engine.meter.spent(len(tasks))) is not None:
                        self._finish(BudgetSpent(spent, self._total - started))
                        break
                    # Those that wait for another try hold no slot, but they are bounded too.
                    if len(tasks) >= self._settings.concurrency:
                        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                        continue
                    since = await self._limiter.acquire()
                    if self._end is not None or (request := next(self._waiting, None)) is None:
                        self._limiter.release()
                        break
                    started += 1
                    task = asyncio.create_task(self._ask(session, request, since))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                if tasks:
                    await asyncio.wait(tasks, timeout=None if self._end is None else _LANDING_S)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        if self._end is not None:
            raise self._end

    def _land(self, completion: Completion) -> None:
        self._landed.append(completion)
        self._arrival.set()

    async def _ask(self, session: Any, request: Request, since: float) -> None:
        """One request with all its tries; it enters with a slot."""
        began = time.monotonic()
        held = True
        try:
            try:
                data = protocol.body(
                    request, self._sampling, self._engine.model, self._settings.extra, self._engine.max_image_pixels
                )
            except BadImage as error:
                return self._land(_nothing(request, "refused", error.reason, 0, began))
            tries = used = 0
            while True:
                tries += 1
                try:
                    answer = await self._try(session, request, data, tries, since)
                except protocol.TryAgain as error:
                    self._limiter.release()
                    held = False
                    used += not error.throttled
                    why = self._give_up(error, used, began)
                    wait = max(backoff_s(tries, self._settings.max_backoff_s), error.after or 0.0)
                    limit = self._settings.deadline_s
                    if why is None and limit is not None and time.monotonic() + wait - began > limit:
                        why = f"deadline of {limit:g} s"
                    if why is not None:
                        return self._failed(request, f"{error} ({why})", tries, began)
                    if await self._ends_within(wait):
                        return None
                    since = await self._limiter.acquire()
                    held = True
                    continue
                except protocol.Refused as error:
                    return self._land(_nothing(request, "refused", str(error), tries, began))
                except protocol.Unclear as error:
                    self._refusals += 1
                    if not self._engine.keep_going or (not self._successes and self._refusals >= _ALL_REFUSED):
                        raise protocol.Fatal(str(error)) from None
                    return self._failed(request, str(error), tries, began)
                self._successes += 1
                self._last_success = time.monotonic()
                self._engine.meter.add(answer.n_prompt_tokens, answer.n_tokens)
                return self._land(
                    Completion(
                        request.key, answer.text, answer.n_tokens,
                        "length" if answer.finish_reason == "length" else "stop", answer.n_prompt_tokens,
                        seconds=time.monotonic() - began, tries=tries, reply_id=answer.reply_id,
                    )
                )  # fmt: skip
        except protocol.Fatal as error:
            self._stop(f"{self._engine.url}: {self._engine.clean(str(error))}")
        finally:
            if held:
                self._limiter.release()

    async def _try(self, session: Any, request: Request, data: bytes, tries: int, since: float) -> protocol.Answer:
        import aiohttp

        self._engine.watch(Event(request.key, tries, "sent"))
        try:
            try:
                async with session.post(f"{self._engine.url}/chat/completions", data=data) as response:
                    status, content = response.status, await response.read()
                    after = retry_after_s(response.headers.get("Retry-After"))
            except TimeoutError:
                raise protocol.TryAgain("timeout", f"{self._settings.timeout_s:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                if (why := self._engine.died()) is not None:
                    raise protocol.Fatal(why) from None
                raise protocol.TryAgain("connection", f"{type(error).__name__}: {error}") from None
            try:
                answer = protocol.understand(status, content, self._engine.model, self._settings)
            except protocol.TryAgain as error:
                error.after = after
                raise
            if self._settings.unique_ids and answer.reply_id is not None:
                if answer.reply_id in self._engine.seen_ids:
                    raise protocol.TryAgain("duplicate_id", answer.reply_id[:100])
                self._engine.seen_ids.add(answer.reply_id)
        except protocol.TryAgain as error:
            self._engine.watch(Event(request.key, tries, error.reason))
            if error.throttled:
                self._limiter.throttled(since, error.after or 0.0)
            elif error.reason == "timeout":
                self._limiter.throttled(since)
            raise
        self._limiter.success(since, answer.n_tokens or 1)
        return answer

    def _give_up(self, error: protocol.TryAgain, used: int, began: float) -> str | None:
        if self._end is not None:
            return "the run is ending"
        if used > self._settings.retries:
            return f"after {used} tries"
        silent = time.monotonic() - max(self._last_success, began)
        if error.throttled and silent > self._settings.patience_s:
            return f"nothing but that for {silent:.0f} s"
        return None

    def _failed(self, request: Request, detail: str, tries: int, began: float) -> None:
        detail = self._engine.clean(detail)
        if self._engine.keep_going:
            return self._land(_nothing(request, "failed", detail, tries, began))
        return self._stop(f"{self._engine.url}: {detail}")

    async def _ends_within(self, seconds: float) -> bool:
        """Wait, but not past the end of the run; what is not asked again now is asked by the next run."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self._end is not None

    def _stop(self, message: str) -> None:
        self._finish(UserError(f"{message}; what was earned is kept, run again"))

    def _finish(self, why: UserError) -> None:
        self._end = self._end or why
        self._ending.set()


class BudgetSpent(UserError):
    """The budget is spent. `left` requests of this call were not sent."""

    def __init__(self, spent: str, left: int) -> None:
        super().__init__(f"budget: {spent}; {left} requests are left")
        self.spent, self.left = spent, left


def _nothing(request: Request, finish: Any, detail: str, tries: int, began: float) -> Completion:
    return Completion(
        request.key, "", 0, finish, None, seconds=time.monotonic() - began, tries=tries, detail=detail
    )  # fmt: skip
