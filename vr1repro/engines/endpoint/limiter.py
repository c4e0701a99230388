"""Flow control for endpoints: how many requests fly, how long to wait after a failure, when the money is spent.

Concurrency follows additive increase, multiplicative decrease (Jacobson 1988; Chiu and Jain 1989): it doubles while
replies come, grows by one a round past the level at which it was last cut, and is halved when the server says 429. One
cut a round: replies to requests that were sent before a cut say nothing about the level after it.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_MILLION = 1_000_000
_FIRST_WAIT_S = 0.5
# A server that answers within this is not slow, whatever it did at best.
_QUICK_S = 0.5


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
        self.flying = self._peak = 0
        self.cuts = 0

    async def acquire(self) -> float:
        """Wait for a slot. Returns the time at which it was got, for `success` and `throttled`."""
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
        self.flying += 1
        self._peak = max(self._peak, self.flying)
        return self._clock()

    def release(self) -> None:
        """Give a slot back."""
        self.flying -= 1
        self._wake()

    def success(self, since: float, units: int = 1) -> None:
        """A reply came to a request that got its slot at `since`; call before `release`.

        Args:
            since: What `acquire` returned.
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
        self._last_cut, self._peak = self._clock(), self.flying
        self.cuts += 1

    def _free(self) -> bool:
        return self.flying < int(self.level) and self._clock() >= self._paused_until

    def _wake(self) -> None:
        for _ in range(max(0, int(self.level) - self.flying)):
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_result(None)
                    break


def backoff_s(failures: int, longest_s: float, jitter: Callable[[], float] = random.random) -> float:
    """Seconds to wait after the n-th failure in a row: doubling, with half of it drawn at random."""
    full = min(longest_s, _FIRST_WAIT_S * 2.0 ** min(failures - 1, 30))
    return full * (0.5 + 0.5 * jitter())


def retry_after_s(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3); None if unreadable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - (now or datetime.now(UTC))).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


@dataclass
class Meter:
    """What an endpoint's replies have cost, and what they may.

    Attributes:
        prompt_price: Price of a million prompt tokens, None where cost is not counted.
        completion_price: Price of a million completion tokens.
        budget_tokens: Most tokens, None for no limit.
        budget_money: Most money, None for no limit.
    """

    prompt_price: float | None = None
    completion_price: float | None = None
    budget_tokens: int | None = None
    budget_money: float | None = None
    tokens: int = 0
    money: float = 0.0
    replies: int = 0

    def cost(self, prompt: int | None, completion: int | None) -> float | None:
        """Cost of one reply; None where prices or counts are unknown."""
        if self.prompt_price is None or self.completion_price is None or prompt is None or completion is None:
            return None
        return (prompt * self.prompt_price + completion * self.completion_price) / _MILLION

    def add(self, prompt: int | None, completion: int | None) -> None:
        """Count one reply."""
        self.tokens += (prompt or 0) + (completion or 0)
        self.money += self.cost(prompt, completion) or 0.0
        self.replies += 1

    def spent(self, flying: int = 0) -> str | None:
        """Why nothing more may be sent, with what is in flight counted at the mean; None while there is money."""
        whole = (self.replies + flying) / self.replies if self.replies else 1.0
        if self.budget_tokens is not None and self.tokens * whole >= self.budget_tokens:
            return f"{self.tokens} of {self.budget_tokens} tokens are used"
        if self.budget_money is not None and self.money * whole >= self.budget_money:
            return f"{self.money:.4f} of {self.budget_money:.4f} is spent"
        return None
