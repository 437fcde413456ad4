"""Suspects run alone in the whole process, and nobody starves."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.kafka.turns import Turns


@asynccontextmanager
async def together(turns: Turns) -> AsyncIterator[None]:
    """As a record does it that nobody suspects."""
    if not turns.enter():
        await turns.admission()
    try:
        yield
    finally:
        turns.leave()


def test_one_alone_excludes_all_others_and_everyone_gets_a_turn() -> None:
    """Random arrivals, lengths and cancellations: never anything beside one alone; all who stay are served."""

    async def play(chance: random.Random) -> None:
        turns = Turns()
        running: list[str] = []
        served = 0

        async def one(kind: str) -> None:
            nonlocal served
            await asyncio.sleep(chance.random() * 0.01)
            async with turns.alone() if kind == "alone" else together(turns):
                running.append(kind)
                try:
                    assert running == ["alone"] or "alone" not in running
                    await asyncio.sleep(chance.random() * 0.002)
                    assert running == ["alone"] or "alone" not in running
                finally:
                    running.remove(kind)
            served += 1

        tasks = [asyncio.create_task(one(chance.choice(("alone", "together", "together")))) for _ in range(60)]
        await asyncio.sleep(0.005)
        gone = [task for task in tasks if not task.done() and chance.random() < 0.2]
        for task in gone:
            task.cancel()
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [r for r in results if r is not None and not isinstance(r, asyncio.CancelledError)] == []
        assert served == sum(result is None for result in results) >= len(tasks) - len(gone)

    async def plays() -> None:
        for seed in range(20):
            await play(random.Random(seed))

    asyncio.run(plays())


def test_those_who_waited_run_before_the_next_one_alone() -> None:
    """Records of healthy partitions are not held up by a queue of suspects."""

    async def play() -> list[str]:
        turns = Turns()
        order: list[str] = []

        async def one(name: str) -> None:
            async with turns.alone() if name.startswith("suspect") else together(turns):
                order.append(name)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for name in ("suspect 1", "suspect 2", "other 1", "other 2"):
                tasks.create_task(one(name))
        return order

    assert asyncio.run(play()) == ["suspect 1", "other 1", "other 2", "suspect 2"]
