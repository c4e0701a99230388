"""Flow control for endpoints: how many requests are in flight.

Concurrency follows additive increase, multiplicative decrease (Jacobson 1988; Chiu and Jain 1989): it doubles while
replies come, grows by one a round past the level at which it was last cut, and is halved when the server says 429. One
cut a round: replies to requests that were sent before a cut say nothing about the level after it.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

# A server that answers within this is not slow, whatever it did at best.
_QUICK_S = 0.5


class Slot:
    """The right to have one request in flight; a context manager that gives it back.

    Attributes:
        since: When it was got, for `Limiter.success` and `Limiter.throttled`.
    """

    def __init__(self, limiter: "Limiter", since: float) -> None:
        self._limiter, self.since = limiter, since

    def release(self) -> None:
        """Give the slot back."""
        self._limiter.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Limiter:
    """Slots for requests in flight. Belongs to one event loop.

    Args:
        ceiling: Most requests in flight.
        start: Requests in flight at first.
        latency_factor: How much slower than at best a server may become before the level is lowered; None: any.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        ceiling: int,
        start: int,
        latency_factor: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ceiling, self._factor, self._clock = ceiling, latency_factor, clock
        self.level = float(min(start, ceiling))
        self._threshold = float(ceiling)
        self._last_cut = -math.inf
        self._paused_until = -math.inf
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._recent: float | None = None
        self._best = math.inf
        self.in_flight = self._peak = 0
        self.cuts = 0

    async def acquire(self) -> Slot:
        """Wait for a slot."""
        while self._waiting or not self._free():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                if (pause := self._paused_until - self._clock()) > 0:
                    asyncio.get_running_loop().call_later(pause, self._wake)
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                self._wake()
                raise
            if self._free():
                break
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)
        return Slot(self, self._clock())

    def release(self) -> None:
        """Take a slot back."""
        self.in_flight -= 1
        self._wake()

    def success(self, since: float, units: int = 1) -> None:
        """A reply came to a request that got its slot at `since`; call before `release`.

        Args:
            since: The slot's.
            units: Tokens of the reply, so that long replies do not pass for a slow server.
        """
        seconds = self._clock() - since
        pace = seconds / max(1, units)
        self._recent = pace if self._recent is None else 0.9 * self._recent + 0.1 * pace
        self._best = min(self._best, self._recent)
        if self._factor is not None and seconds > _QUICK_S and self._recent > self._factor * self._best:
            self._cut(since, 0.9)
        elif self._peak >= 0.5 * self.level:  # a level that was never used says nothing
            self.level += 1.0 if self.level < self._threshold else 1.0 / self.level
            self.level = min(self.level, float(self._ceiling))

    def throttled(self, since: float, pause_s: float = 0.0) -> None:
        """The server wants fewer requests; nothing is sent for `pause_s`."""
        self._cut(since, 0.5)
        self._paused_until = max(self._paused_until, self._clock() + pause_s)

    def _cut(self, since: float, share: float) -> None:
        if since <= self._last_cut:
            return
        self.level = self._threshold = max(1.0, self.level * share)
        self._last_cut, self._peak = self._clock(), self.in_flight
        self.cuts += 1

    def _free(self) -> bool:
        return self.in_flight < int(self.level) and self._clock() >= self._paused_until

    def _wake(self) -> None:
        for _ in range(max(0, int(self.level) - self.in_flight)):
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    break
