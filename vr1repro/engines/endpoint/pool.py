"""The requests of one call in flight to an endpoint: slots, tries, waiting, and an orderly end."""

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

from vr1repro.core.errors import UserError
from vr1repro.core.images import BadImage
from vr1repro.core.secrets import REDACTION
from vr1repro.engines.base import Completion, Event, FinishReason, Request, Sampling
from vr1repro.engines.budget import BudgetSpent
from vr1repro.engines.endpoint import protocol
from vr1repro.engines.endpoint.bodies import read_body
from vr1repro.engines.endpoint.connection import Connection, redirected
from vr1repro.engines.endpoint.journal import request_name
from vr1repro.engines.endpoint.limiter import Limiter, Slot
from vr1repro.engines.endpoint.retries import GiveUp, Tries, next_step, retry_after_s

# How long requests in flight may take to complete once no further one is sent; they were paid for.
_DRAIN_S = 60.0
# So many refusals without one completion are no fault of single requests.
_ALL_REFUSED = 20
# Redirects of one request within its own server.
_REDIRECTS = 5


class RequestPool:
    """The requests of one `generate` call."""

    def __init__(self, connection: Connection, requests: Sequence[Request], sampling: Sampling) -> None:
        """Start with as many slots as the connection's settings say."""
        settings = connection.settings
        self._connection, self._settings, self._sampling = connection, settings, sampling
        self._waiting = iter(requests)
        self._total = len(requests)
        self._completed: list[Completion] = []
        self._names: dict[int, str] = {}
        self._kept = self._received_before()
        self._arrival = asyncio.Event()
        self._end: Exception | None = None
        self._ending = asyncio.Event()
        self._refusals = 0
        self._successes = 0
        self._last_success = time.monotonic()
        self.limiter = Limiter(settings.concurrency, settings.start_concurrency, settings.latency_factor)

    async def completions(self, task: "asyncio.Task[None]") -> list[Completion]:
        """All completions that arrived since the last call, at least one; none when `task`, our `run`, is over."""
        if not self._completed and not task.done():
            arrival = asyncio.ensure_future(self._arrival.wait())
            await asyncio.wait((arrival, task), return_when=asyncio.FIRST_COMPLETED)
            arrival.cancel()
        self._arrival.clear()
        batch, self._completed = self._completed, []
        return batch

    async def run(self) -> None:
        """Send all requests, and raise what ended the call early."""
        tasks: set[asyncio.Task[None]] = set()
        started = 0
        async with self._connection.session() as session:
            try:
                while self._end is None:
                    if (spent := self._connection.meter.spent(len(tasks))) is not None:
                        self._finish(BudgetSpent(spent, self._total - started))
                        break
                    # Requests that wait for another try hold no slot, but their number is bounded too.
                    if len(tasks) >= self._settings.concurrency:
                        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                        continue
                    slot = await self.limiter.acquire()
                    if self._end is not None or (request := next(self._waiting, None)) is None:
                        slot.release()
                        break
                    started += 1
                    task = asyncio.create_task(self._complete(session, request, slot))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                if tasks:
                    await asyncio.wait(tasks, timeout=None if self._end is None else _DRAIN_S)
            finally:
                for task in tasks:
                    task.cancel()
                if tasks:
                    await asyncio.wait(tasks)
        if self._end is not None:
            raise self._end

    def taken(self, batch: Sequence[Completion]) -> None:
        """The caller has taken these completions; what the journal keeps of them is needed no longer."""
        for completion in batch:
            if (name := self._names.pop(completion.key, None)) is not None:
                self._connection.journal.taken(name)

    def _received_before(self) -> dict[str, deque[protocol.Reply]]:
        """Good replies that a process received and was ended before its caller took them, by request."""
        kept: dict[str, deque[protocol.Reply]] = defaultdict(deque)
        for one in self._connection.journal.begin():
            with contextlib.suppress(protocol.TryAgain, protocol.Refused, protocol.Unclear, protocol.Fatal):
                kept[one.request].append(self._understood(one.status, one.body))
        return kept

    async def _complete(self, session: Any, request: Request, slot: Slot) -> None:
        """One request with all its tries; it ends in a completion or ends the run."""
        try:
            await self._try_all(session, request, slot)
        except UserError as error:  # the journal's disk is full, or the caller's
            self._finish(error)
        except Exception as error:
            # A mistake of ours. Its task would swallow it, and the request with it.
            error.add_note(f"request {request.key!r} to {self._connection.url}; completions received so far are kept")
            self._finish(error)

    async def _try_all(self, session: Any, request: Request, slot: Slot) -> None:
        """It holds a slot while it is sent, and none while it waits."""
        began = time.monotonic()
        connection = self._connection
        try:
            body = protocol.body(
                request, self._sampling, connection.model, self._settings.extra, connection.max_image_pixels
            )
        except BadImage as error:
            slot.release()
            return self._add(_nothing(request, "refused", error.reason, 0, began))
        name = self._names[request.key] = request_name(body)
        if kept := self._kept.get(name):
            slot.release()
            return self._succeed(request, kept.popleft(), 1, began)
        tries = counted = 0
        while True:
            tries += 1
            try:
                with slot:
                    reply = await self._try(session, request, body, name, tries, slot.since)
            except protocol.TryAgain as error:
                counted += not error.throttled
                now = time.monotonic()
                history = Tries(tries, counted, now - began, now - max(self._last_success, began))
                step = GiveUp("the run is ending") if self._end else next_step(error, history, self._settings)
                if isinstance(step, GiveUp):
                    return self._fail(request, f"{error} ({step.reason})", tries, began)
                if await self._ends_within(step.seconds):
                    return None
                slot = await self.limiter.acquire()
            except protocol.Refused as error:
                return self._add(_nothing(request, "refused", str(error), tries, began))
            except protocol.Unclear as error:
                self._refusals += 1
                if not connection.keep_going or (not self._successes and self._refusals >= _ALL_REFUSED):
                    return self._stop(str(error))
                return self._fail(request, str(error), tries, began)
            except protocol.Fatal as error:
                return self._stop(str(error))
            else:
                return self._succeed(request, reply, tries, began)

    async def _try(
        self, session: Any, request: Request, body: bytes, name: str, number: int, since: float
    ) -> protocol.Reply:
        connection, journal = self._connection, self._connection.journal
        connection.watch(Event(request.key, number, "sent"))
        journal.sent(name, number)
        try:
            try:
                status, content, after = await self._post(session, body)
            except protocol.TryAgain as error:
                journal.failed(name, number, str(error))
                raise
            content = REDACTION.data(content)
            journal.reply(name, number, status, content)
            try:
                reply = self._understood(status, content)
            except protocol.TryAgain as error:
                error.after = after
                raise
        except protocol.TryAgain as error:
            connection.watch(Event(request.key, number, error.reason))
            if error.throttled:
                self.limiter.throttled(since, error.after or 0.0)
            elif error.reason == "timeout":
                self.limiter.throttled(since)
            raise
        self.limiter.success(since, reply.n_tokens or 1)
        return reply

    async def _post(self, session: Any, body: bytes) -> tuple[int, bytes, float | None]:
        """Status and body of the reply to a request, and how long it says to wait."""
        import aiohttp

        connection = self._connection
        url = f"{connection.url}/chat/completions"
        try:
            for _ in range(_REDIRECTS + 1):
                async with session.post(url, data=body, allow_redirects=False) as response:
                    if response.status in (301, 302, 303, 307, 308):
                        url = redirected(url, response.status, response.headers.get("Location"))
                        continue
                    content = await read_body(response, self._settings.max_reply_bytes)
                    return response.status, content, retry_after_s(response.headers.get("Retry-After"))
        except TimeoutError:
            raise protocol.TryAgain("timeout", f"{self._settings.timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            if (last_words := connection.died()) is not None:
                raise protocol.Fatal(last_words) from None
            raise protocol.TryAgain("connection", connection.without_key(f"{type(error).__name__}: {error}")) from None
        raise protocol.TryAgain("redirected", f"more than {_REDIRECTS} times")

    def _understood(self, status: int, content: bytes) -> protocol.Reply:
        connection = self._connection
        reply = protocol.understand(status, content, connection.model, self._settings)
        if self._settings.unique_ids and reply.reply_id is not None:
            if reply.reply_id in connection.seen_ids:
                raise protocol.TryAgain("duplicate_id", reply.reply_id[:100])
            connection.seen_ids.add(reply.reply_id)
        return reply

    def _succeed(self, request: Request, reply: protocol.Reply, tries: int, began: float) -> None:
        self._successes += 1
        self._last_success = time.monotonic()
        self._connection.meter.add(reply.n_prompt_tokens, reply.n_tokens)
        self._add(
            Completion(
                key=request.key, text=reply.text, n_tokens=reply.n_tokens, finish_reason=reply.finish_reason,
                n_prompt_tokens=reply.n_prompt_tokens, seconds=self._last_success - began, tries=tries,
                reply_id=reply.reply_id, served_model=reply.served_model, note=reply.note,
            )
        )  # fmt: skip

    def _fail(self, request: Request, detail: str, tries: int, began: float) -> None:
        if not self._connection.keep_going:
            return self._stop(detail)
        return self._add(_nothing(request, "failed", self._connection.without_key(detail), tries, began))

    def _add(self, completion: Completion) -> None:
        self._completed.append(completion)
        self._arrival.set()

    async def _ends_within(self, seconds: float) -> bool:
        """Wait, but not past the end of the run; a request that is not sent again now is sent by the next run."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self._end is not None

    def _stop(self, detail: str) -> None:
        connection = self._connection
        detail = connection.without_key(detail)
        self._finish(UserError(f"{connection.url}: {detail}; completions received so far are kept, run again"))

    def _finish(self, error: Exception) -> None:
        self._end = self._end or error
        self._ending.set()


def _nothing(request: Request, finish_reason: FinishReason, detail: str, tries: int, began: float) -> Completion:
    return Completion(
        key=request.key, text="", n_tokens=0, finish_reason=finish_reason, seconds=time.monotonic() - began,
        tries=tries, detail=detail,
    )  # fmt: skip
