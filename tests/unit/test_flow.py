"""Bounds in flight: hysteresis, and a byte budget that cannot deadlock."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.flow import Backpressure, ByteBudget, Hysteresis
from consumer.settings import MIB, FlowSettings


def test_hysteresis_stays_closed_until_use_is_low():
    bound = Hysteresis(high=10, low=5)
    assert [bound.update(used) for used in (9, 10, 9, 6, 5, 9, 10)] == [False, True, True, True, False, False, True]


def test_reservations_wait_for_room_in_order():
    async def scenario():
        budget = ByteBudget(100)
        budget.open("old", 10)
        budget.open("mid", 10)
        budget.open("new", 10)
        await budget.reserve("old", 60)
        granted = []

        async def want(owner, size):
            await budget.reserve(owner, size)
            granted.append(owner)

        waiting = [asyncio.create_task(want("mid", 50)), asyncio.create_task(want("new", 50))]
        await asyncio.sleep(0)
        assert granted == []
        budget.close("old")
        await waiting[0]
        assert granted == ["mid"]
        budget.close("mid")
        await waiting[1]
        budget.close("new")
        assert budget.used_bytes == 0

    asyncio.run(scenario())


def test_the_oldest_item_is_never_refused():
    """Two items that each hold half of the budget and want more would wait for each other for ever."""

    async def scenario():
        budget = ByteBudget(100)
        budget.open("a", 50)
        budget.open("b", 50)
        waiting = asyncio.create_task(budget.reserve("b", 40))
        await asyncio.wait_for(budget.reserve("a", 40), 1)
        assert not waiting.done()
        assert budget.used_bytes == 140
        budget.close("a")
        await asyncio.wait_for(waiting, 1)
        budget.close("b")
        assert budget.used_bytes == 0

    asyncio.run(scenario())


def test_a_preferred_item_is_never_refused():
    """One that runs alone must not wait for those that wait for it."""

    async def play() -> None:
        budget = ByteBudget(100)
        budget.open("old", 60)
        budget.open("young", 10)
        budget.prefer("young")
        await asyncio.wait_for(budget.reserve("young", 500), 1)

    asyncio.run(play())


def test_a_cancelled_reservation_takes_nothing():
    async def scenario():
        budget = ByteBudget(10)
        budget.open("a", 10)
        budget.open("b", 0)
        waiting = asyncio.create_task(budget.reserve("b", 10))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        budget.close("b")
        budget.close("a")
        assert budget.used_bytes == 0

    asyncio.run(scenario())


@given(st.lists(st.lists(st.integers(1, 80), min_size=1, max_size=4), min_size=1, max_size=20))
def test_every_item_gets_through_and_use_stays_within_one_ad_of_the_limit(items):
    async def scenario():
        budget = ByteBudget(100)
        highest = 0

        async def run(number, steps):
            nonlocal highest
            for size in steps:
                await budget.reserve(number, size)
                highest = max(highest, budget.used_bytes)
                await asyncio.sleep(0)
            budget.close(number)

        for number in range(len(items)):
            budget.open(number, 0)
        await asyncio.wait_for(asyncio.gather(*(run(n, steps) for n, steps in enumerate(items))), 10)
        assert budget.used_bytes == 0
        assert highest <= 100 + max(sum(steps) for steps in items)

    asyncio.run(scenario())


def test_pauses_name_the_bound_that_is_reached():
    settings = FlowSettings(max_records=4, max_bytes=MIB, resume_ratio=0.5)
    budget = ByteBudget(settings.max_bytes)
    pressure = Backpressure(settings, budget, 1024)
    assert pressure.reasons(3, 1, "gpu_memory") == frozenset()
    assert pressure.reasons(4, 1, "gpu_memory") == {"records"}
    assert pressure.reasons(3, 1, "gpu_memory") == {"records"}
    assert pressure.reasons(2, 0, "gpu_memory") == {"gpu_memory"}
    budget.open("a", MIB)
    assert pressure.reasons(2, 1, "gpu_memory") == {"bytes"}
    budget.close("a")
    assert pressure.reasons(2, 1, "gpu_memory") == frozenset()


def test_room_never_passes_a_bound_and_is_never_nothing():
    settings = FlowSettings(max_records=10, max_bytes=4 * MIB)
    budget = ByteBudget(settings.max_bytes)
    pressure = Backpressure(settings, budget, MIB)
    assert pressure.room(2) == 4
    assert pressure.room(9) == 1
    budget.open("a", 4 * MIB)
    assert pressure.room(2) == 1


def test_an_attempt_gives_back_what_the_one_before_had_reserved():
    async def scenario():
        budget = ByteBudget(100)
        budget.open("a", 10)
        budget.open("b", 10)
        await budget.reserve("a", 60)
        waiting = asyncio.create_task(budget.reserve("b", 50))
        await asyncio.sleep(0)
        assert not waiting.done()
        budget.restart("a", 10)
        await asyncio.wait_for(waiting, 1)
        assert budget.used_bytes == 70
        budget.close("a")
        budget.close("b")
        assert budget.used_bytes == 0

    asyncio.run(scenario())


def test_what_was_reserved_too_much_makes_room_for_others():
    async def scenario() -> tuple[bool, int]:
        budget = ByteBudget(10)
        budget.open("old", 2)
        budget.open("young", 1)
        await budget.reserve("old", 6)
        waiting = asyncio.create_task(budget.reserve("young", 4))
        await asyncio.sleep(0)
        waited = not waiting.done()
        budget.give_back("old", 3)
        await waiting
        return waited, budget.used_bytes

    assert asyncio.run(scenario()) == (True, 10)
