"""How fast a replay may go, on a clock of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from consumer.replay.pace import Pace
from tests.unit.kafka.simulation import VirtualLoop

T = TypeVar("T")


def run(body: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(body())


def test_a_rate_spreads_letters_over_time() -> None:
    async def body() -> float:
        pace, clock = Pace(rate=50), asyncio.get_running_loop().time
        began = clock()
        for _ in range(10):
            await pace.before()
            pace.after(25)
        return clock() - began

    assert 4.5 <= run(body) < 5


def test_without_a_rate_nothing_waits() -> None:
    async def body() -> float:
        pace, clock = Pace(), asyncio.get_running_loop().time
        began = clock()
        for _ in range(10):
            await pace.before()
            pace.after(1000)
        return clock() - began

    assert run(body) < 0.1
    assert Pace().batch(200) == 200
    assert [Pace(rate).batch(200) for rate in (0.1, 20.0, 1e6)] == [1, 20, 200]


def test_it_waits_while_the_live_stream_is_behind() -> None:
    ages, told = [30.0, 11.0, 10.0], []

    async def age() -> float:
        return ages.pop(0)

    async def body() -> float:
        pace, clock = Pace(None, 10.0, age, told.append), asyncio.get_running_loop().time
        began = clock()
        await pace.before()
        return clock() - began

    assert 1.9 < run(body) < 2.5
    assert told == [30.0, 11.0]


def test_stopping_ends_every_wait() -> None:
    async def age() -> float:
        return 1e9

    async def body() -> float:
        pace, loop = Pace(0.01, 1.0, age), asyncio.get_running_loop()
        pace.after(100)
        loop.call_later(3, pace.stop)
        began = loop.time()
        await pace.before()
        assert pace.stopping
        return loop.time() - began

    assert 2.9 < run(body) < 3.5
