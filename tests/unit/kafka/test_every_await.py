"""One scenario, ended, frozen or disturbed at every point where a process talks to the broker, one after another.

The state machine searches further; this leaves no point out.
"""

import pytest
from aiokafka import TopicPartition

from tests.unit.kafka.simulated_process import Fault
from tests.unit.kafka.simulation import TOPIC
from tests.unit.kafka.world import CRASHES_MOST, World

FIRST = TopicPartition(TOPIC, 0)


def scenario(world: World) -> None:
    """Two records done, a restart, then three records finishing out of order with keys and gaps."""
    for key, gap in ((b"a", 0), (None, 0), (b"a", 2), (b"b", 0), (b"a", 1)):
        world.broker.produce_input(FIRST, key, b"ad", gap)
    for _ in range(4):
        world.advance(1.5)
        for process, item in reversed(world.running):
            world.finish(process, item)
            world.advance(0.01)


def points_of_a_quiet_run() -> tuple[int, int]:
    with World(1) as world:
        process = world.start()
        scenario(world)
        world.settle()
        return process.points, process.requests


POINTS, REQUESTS = points_of_a_quiet_run()


def test_a_quiet_run_gives_every_record_its_outcome():
    with World(1) as world:
        world.start()
        scenario(world)
        world.settle()
        assert len(world.broker.output) == 5


def test_the_process_is_killed_at_every_point():
    for point in range(1, POINTS):
        with World(1) as world:
            world.start().die_at = point
            scenario(world)
            world.settle()


def test_the_process_stands_still_at_every_point_while_another_takes_over():
    for point in range(1, POINTS):
        with World(1) as world:
            zombie = world.start()
            zombie.freeze_at = point
            scenario(world)
            world.start()
            scenario(world)
            zombie.thaw()
            world.advance(0.5)
            world.settle()


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_every_request_goes_wrong_once(fault):
    for request in range(1, REQUESTS):
        with World(1) as world:
            world.start().faults[request] = fault
            scenario(world)
            world.settle()


def test_a_rebalance_during_the_shutdown_does_not_keep_the_process():
    """It stops while partitions are still coming, and more come before it has left."""
    for point in range(1, 40):
        with World(1) as world:
            leaving = world.start()
            world.advance(3.0)
            world.group.rebalance()
            world.advance(0.01)  # its heartbeat has told it to rejoin
            leaving.freeze_at = leaving.points + point
            leaving.stream.stop()
            world.group.rebalance()
            world.advance(4.0)
            leaving.thaw()
            world.advance(30.0)
            assert leaving.main.done(), f"still there after standing still at its point {point}"


def test_progress_below_a_poison_record_does_not_hide_it():
    """Each owner finishes one record before the poison ends it; still it is found out in the end."""
    with World(1) as world:
        for _ in range(10):
            world.broker.produce_input(FIRST, None, b"ad", 0)
        poison = (FIRST, 3)
        deaths = 0
        for _ in range(10):
            owner = world.start()
            world.advance(6.0)
            while (items := world.running) and items != [(owner, poison)]:
                world.finish(*items[0])
                world.advance(1.0)
                if poison in owner.judge.running:
                    break
            if poison in owner.judge.running:
                deaths += 1
                owner.die()
                world.advance(0.1)
        assert (None, b"0:3:crashed") in world.broker.output
        assert deaths <= CRASHES_MOST


def test_a_lane_whose_transaction_was_lost_commits_nothing_more():
    """The lost one is decided after all; a later one that does not know it would take its outcome back."""
    for request in range(1, 12):
        with World(1) as world:
            for _ in range(3):
                world.broker.produce_input(FIRST, None, b"ad", 0)
            leaving = world.start()
            world.advance(3.0)
            leaving.faults[leaving.requests + request] = Fault.LATE
            world.finish(leaving, (FIRST, 1))
            world.advance(0.001)
            leaving.stream.stop()
            world.advance(12.3)
            world.finish(leaving, (FIRST, 2))
            world.advance(10.0)
            world.settle()


def takeover_from_a_coordinator_that_lags(world: World) -> None:
    """Commits, a dead owner, a coordinator that has moved and answers with what it knew before, a new owner."""
    scenario(world)
    world.alive[0].die()
    world.start()
    while world.alive[0].requests < 2:  # the first is the check at the start, the second fences the dead owner
        world.advance(0.001)
    world.broker.move_coordinator(lag=2)
    world.settle()


def test_a_lagging_coordinator_is_made_to_catch_up():
    with World(1) as world:
        world.start()
        takeover_from_a_coordinator_that_lags(world)


def test_without_the_barrier_a_lagging_coordinator_would_double_records():
    """That the simulation shows what the barrier is there for."""
    with World(1) as world:
        world.broker.barriers_help = False
        world.start()
        with pytest.raises(AssertionError, match=r"two terminal records|not any more|fell from"):
            takeover_from_a_coordinator_that_lags(world)
