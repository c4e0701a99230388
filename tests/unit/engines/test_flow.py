import asyncio
from datetime import UTC, datetime

import pytest

from vr1repro.engines.endpoint.limiter import Limiter, Meter, backoff_s, retry_after_s


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
            for since in slots:
                limiter.success(since)
                limiter.release()
        assert limiter.level == 16
        slots = [await limiter.acquire() for _ in range(16)]
        clock.now += 0.1
        for since in slots:
            limiter.throttled(since)
            limiter.release()
        assert (limiter.level, limiter.cuts) == (8, 1)
        clock.now += 1
        slots = [await limiter.acquire() for _ in range(8)]
        clock.now += 0.1
        for since in slots:
            limiter.success(since)
            limiter.release()
        assert 8.9 < limiter.level < 9

    asyncio.run(play())


def test_nothing_is_sent_in_a_pause_and_waiters_go_on_after_it():
    async def play():
        limiter = Limiter(2, 2)
        limiter.throttled(await limiter.acquire(), 0.15)
        began = asyncio.get_running_loop().time()
        limiter.release()
        await asyncio.gather(*(wait(limiter) for _ in range(5)))
        assert asyncio.get_running_loop().time() - began >= 0.14

    async def wait(limiter):
        await limiter.acquire()
        await asyncio.sleep(0)
        limiter.release()

    asyncio.run(asyncio.wait_for(play(), 5))


def test_slow_replies_lower_the_level_long_ones_do_not():
    async def play(seconds, tokens):
        clock = Clock()
        limiter = Limiter(64, 32, latency_factor=5, clock=clock)
        for number in range(200):
            since = await limiter.acquire()
            clock.now += 0.6 if number < 20 else seconds
            limiter.success(since, 10 if number < 20 else tokens)
            limiter.release()
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
        await asyncio.wait_for(second, 1)

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


def test_the_meter_stops_at_either_budget_and_counts_what_flies():
    meter = Meter(prompt_price=1.0, completion_price=2.0, budget_tokens=1000, budget_money=0.01)
    assert meter.spent() is None
    meter.add(100, 50)
    assert (meter.tokens, meter.money) == (150, pytest.approx(200e-6))
    assert meter.spent(5) is None
    assert meter.spent(6) == "150 of 1000 tokens are used"
    meter.money = 0.02
    assert "0.0200 of 0.0100 is spent" in str(meter.spent())
    assert Meter().cost(1, 1) is None
