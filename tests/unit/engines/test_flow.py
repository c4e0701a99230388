import asyncio
from datetime import UTC, datetime

import pytest
from waiting import PATIENCE_S

from vr1repro.config.samplers import EndpointSampler
from vr1repro.engines.budget import Meter
from vr1repro.engines.endpoint.limiter import Limiter
from vr1repro.engines.endpoint.protocol import TryAgain
from vr1repro.engines.endpoint.retries import GiveUp, Tries, Wait, backoff_s, next_step, retry_after_s


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_the_level_doubles_then_creeps_and_is_halved_once_a_round():
    async def play():
        clock = Clock()
        limiter = Limiter(64, 4, clock=clock)
        for _ in range(2):  # two rounds of full flight
            slots = [await limiter.acquire() for _ in range(int(limiter.level))]
            clock.now += 0.1
            for slot in slots:
                limiter.success(slot.since)
                slot.release()
        assert limiter.level == 16
        slots = [await limiter.acquire() for _ in range(16)]
        clock.now += 0.1
        for slot in slots:
            limiter.throttled(slot.since)
            slot.release()
        assert (limiter.level, limiter.cuts) == (8, 1)
        clock.now += 1
        slots = [await limiter.acquire() for _ in range(8)]
        clock.now += 0.1
        for slot in slots:
            limiter.success(slot.since)
            slot.release()
        assert 8.9 < limiter.level < 9

    asyncio.run(play())


def test_nothing_is_sent_in_a_pause_and_waiters_go_on_after_it():
    async def play():
        clock = Clock()
        limiter = Limiter(2, 2, clock=clock)
        slot = await limiter.acquire()
        limiter.throttled(slot.since, 0.15)
        slot.release()
        waiters = [asyncio.create_task(wait(limiter)) for _ in range(5)]
        for _ in range(10):
            await asyncio.sleep(0)
        assert limiter.in_flight == 0
        assert not any(waiter.done() for waiter in waiters)
        clock.now += 0.15
        assert await asyncio.gather(*waiters) == [clock.now] * 5

    async def wait(limiter):
        with await limiter.acquire() as slot:
            return slot.since

    asyncio.run(asyncio.wait_for(play(), PATIENCE_S))


def test_slow_replies_lower_the_level_long_ones_do_not():
    async def play(seconds, tokens):
        clock = Clock()
        limiter = Limiter(64, 32, latency_factor=5, clock=clock)
        for number in range(200):
            with await limiter.acquire() as slot:
                clock.now += 0.6 if number < 20 else seconds
                limiter.success(slot.since, 10 if number < 20 else tokens)
        return limiter.level

    assert asyncio.run(play(60.0, 10)) < 5
    assert asyncio.run(play(60.0, 1000)) >= 32


def test_a_cancelled_waiter_blocks_nobody():
    async def play():
        limiter = Limiter(1, 1)
        await limiter.acquire()
        first, second = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0)
        first.cancel()
        limiter.release()
        await asyncio.wait_for(second, PATIENCE_S)
        assert (first.cancelled(), limiter.in_flight) == (True, 1)

    asyncio.run(play())


def test_waits_double_with_jitter_up_to_the_longest():
    assert [backoff_s(n, 3.0, lambda: 1.0) for n in (1, 2, 3, 4, 99)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff_s(3, 60.0, lambda: 0.0) == 1.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), (None, None), ("soon", None), ("nan", None),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0), ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
    ],
)  # fmt: skip
def test_retry_after(value, seconds):
    assert retry_after_s(value, datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds


def test_the_meter_stops_at_either_budget_and_counts_requests_in_flight():
    meter = Meter(prompt_price=1.0, completion_price=2.0, budget_tokens=1000, budget_money=0.01)
    assert meter.spent() is None
    meter.add(100, 50)
    assert (meter.tokens, meter.money) == (150, pytest.approx(200e-6))
    assert meter.spent(5) is None
    assert meter.spent(6) == "150 of 1000 tokens are used"
    meter.money = 0.02
    assert "0.0200 of 0.0100 is spent" in str(meter.spent())
    assert Meter().cost(1, 1) is None


SAMPLER = EndpointSampler(kind="openai", retries=3, patience_s=60, deadline_s=100, max_backoff_s=8)


def failed(throttled: bool = False, after: float | None = None) -> TryAgain:
    error = TryAgain("status_503", throttled=throttled)
    error.after = after
    return error


@pytest.mark.parametrize(
    ("error", "tries", "step"),
    [
        (failed(), Tries(1, 1, 0.0, 0.0), Wait(0.5)),
        (failed(), Tries(3, 3, 9.0, 9.0), Wait(2.0)),
        (failed(), Tries(9, 3, 9.0, 9.0), Wait(8.0)),  # never longer than max_backoff_s
        (failed(), Tries(4, 4, 9.0, 9.0), GiveUp("after 4 tries")),
        (failed(throttled=True), Tries(40, 0, 59.0, 59.0), Wait(8.0)),  # throttled tries use up no retries
        (failed(throttled=True), Tries(40, 0, 61.0, 61.0), GiveUp("nothing but that for 61 s")),
        (failed(throttled=True), Tries(2, 0, 80.0, 1.0), Wait(1.0)),  # another request succeeded a second ago
        (failed(after=30.0), Tries(1, 1, 0.0, 0.0), Wait(30.0)),  # the server's wish counts where it is longer
        (failed(after=30.0), Tries(1, 1, 71.0, 1.0), GiveUp("deadline of 100 s")),
    ],
)
def test_what_follows_a_failed_try(error, tries, step):
    assert next_step(error, tries, SAMPLER, jitter=lambda: 1.0) == step
