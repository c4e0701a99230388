"""Whether and when a failed request is tried again. Pure functions, no network."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from vr1repro.config.samplers import EndpointSampler
from vr1repro.engines.endpoint.protocol import TryAgain

_FIRST_WAIT_S = 0.5


@dataclass(frozen=True)
class Wait:
    """Try again after some seconds."""

    seconds: float


@dataclass(frozen=True)
class GiveUp:
    """Do not try again."""

    reason: str


@dataclass(frozen=True)
class Tries:
    """How often a request was tried.

    Attributes:
        tries: All of them.
        counted: Those that the server did not throttle; only these use up the retries.
        elapsed_s: Seconds since the first.
        silent_s: Seconds since this request began or any request succeeded, whichever is later.
    """

    tries: int
    counted: int
    elapsed_s: float
    silent_s: float


def next_step(
    error: TryAgain, tries: Tries, settings: EndpointSampler, jitter: Callable[[], float] = random.random
) -> Wait | GiveUp:
    """What follows a failed try: retries, patience with a throttling server, and the deadline decide."""
    if tries.counted > settings.retries:
        return GiveUp(f"after {tries.counted} tries")
    if error.throttled and tries.silent_s > settings.patience_s:
        return GiveUp(f"nothing but that for {tries.silent_s:.0f} s")
    if (error.after or 0.0) > settings.patience_s:
        return GiveUp(f"it asks to wait {error.after:.0f} s, patience_s is {settings.patience_s:g}")
    wait = max(backoff_s(tries.tries, settings.max_backoff_s, jitter), error.after or 0.0)
    if settings.deadline_s is not None and tries.elapsed_s + wait > settings.deadline_s:
        return GiveUp(f"deadline of {settings.deadline_s:g} s")
    return Wait(wait)


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
