"""The event loop's longest block: it shows, it is not exaggerated, and a minute later it is gone."""

import asyncio
import time

import pytest

from consumer.ops.loop import TICK_SECONDS, WINDOW_SECONDS, LoopWatch
from consumer.ops.metrics import Metrics
from tests.unit.kafka.simulation import VirtualLoop


class BlockedLoop(VirtualLoop):
    """Time passes only while it waits, and in `block`."""

    def block(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def loop():
    loop = BlockedLoop()
    yield loop
    loop.close()


def stall(metrics: Metrics) -> float:
    [line] = [one for one in metrics.exposition().decode().splitlines() if one.startswith("advet_event_loop_stall")]
    return float(line.split()[-1])


def test_the_longest_block_of_the_last_minute(loop):
    metrics = Metrics()

    async def life() -> None:
        watch = LoopWatch(metrics)
        async with watch.watching():
            await asyncio.sleep(5)
            assert stall(metrics) < 1e-6
            loop.block(0.4)
            await asyncio.sleep(20)
            assert stall(metrics) == pytest.approx(0.4, abs=1.01 * TICK_SECONDS)
            loop.block(0.2)
            await asyncio.sleep(WINDOW_SECONDS - 21)
            assert stall(metrics) == pytest.approx(0.4, abs=1.01 * TICK_SECONDS), (
                "the longer one counts for as long as it can"
            )
            await asyncio.sleep(2)
            assert stall(metrics) == pytest.approx(0.2, abs=1.01 * TICK_SECONDS), (
                "it is a minute ago: the next longest counts"
            )
            await asyncio.sleep(WINDOW_SECONDS)
            assert stall(metrics) < 1e-6
        samples = sum(metrics.loop_lag_seconds.cumulated()[0][-1][1:])
        await asyncio.sleep(1)
        assert sum(metrics.loop_lag_seconds.cumulated()[0][-1][1:]) == samples, "it has stopped"

    loop.run_until_complete(life())
    [(_, late)] = [bucket for bucket in metrics.loop_lag_seconds.cumulated()[0] if bucket[0] == "0.1"]
    assert metrics.loop_lag_seconds.cumulated()[0][-1][1] - late == 2, "both blocks are in the histogram"


def test_a_blocking_call_shows_on_a_real_loop():
    metrics = Metrics()

    async def life() -> float:
        async with LoopWatch(metrics).watching():
            await asyncio.sleep(3 * TICK_SECONDS)
            time.sleep(0.5)  # noqa: ASYNC251 - what this is about
            await asyncio.sleep(3 * TICK_SECONDS)
            return stall(metrics)

    assert 0.5 - TICK_SECONDS <= asyncio.run(life()) < 5
