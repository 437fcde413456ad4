"""Whatever happens in whatever order: one terminal record per record, and the other promises of `World.check`.

Hypothesis picks records, judgements, crashes, zombies, lost requests, stale coordinators and rebalances.
"""

from aiokafka import TopicPartition
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.unit.kafka.simulated_process import POISON, Fault
from tests.unit.kafka.simulation import TOPIC
from tests.unit.kafka.world import World

PARTITIONS = 2
PROCESSES = 3
places = st.integers(0, 50)
"""Which of those there are, modulo their number."""


class ExactlyOneTerminal(RuleBasedStateMachine):
    """Rules only make things happen; `World.advance` lets the consequences follow and checks."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(PARTITIONS)
        self.world.__enter__()

    @initialize()
    def begin(self) -> None:
        self.world.start()
        self.world.advance(3)

    @rule(
        partition=st.integers(0, PARTITIONS - 1),
        keys=st.lists(st.sampled_from([None, b"a", b"b"]), min_size=1, max_size=6),
        gap=st.sampled_from([0, 0, 0, 1, 3]),
        value=st.sampled_from([b"ad", b"ad", b"ad", b"ad", None, POISON]),
    )
    def produce(self, partition, keys, gap, value):
        """Some records; the last of them may be a withdrawal or poison."""
        tp = TopicPartition(TOPIC, partition)
        for key in keys[:-1]:
            self.world.broker.produce_input(tp, key, b"ad", 0)
        self.world.broker.produce_input(tp, keys[-1], value, gap)

    @rule(seconds=st.sampled_from([0.001, 0.003, 0.01, 0.1, 1.0, 4.0, 16.0]))
    def wait(self, seconds):
        self.world.advance(seconds)

    @rule(place=places)
    def finish_one(self, place):
        if running := self.world.running:
            self.world.finish(*running[place % len(running)])

    @rule(backwards=st.booleans())
    def finish_all(self, backwards):
        for item in sorted(self.world.running, key=lambda found: found[1], reverse=backwards):
            self.world.finish(*item)
            self.world.advance(0.001)

    @precondition(lambda self: len(self.world.alive) < PROCESSES)
    @rule()
    def start(self):
        self.world.start()

    @precondition(lambda self: self.world.alive)
    @rule(place=places, points=st.integers(1, 60))
    def kill(self, place, points):
        process = self.process(place)
        process.die_at = process.points + points

    @precondition(lambda self: self.world.alive)
    @rule(place=places, points=st.integers(1, 60))
    def freeze(self, place, points):
        process = self.process(place)
        process.freeze_at = process.points + points

    @precondition(lambda self: any(process.frozen for process in self.world.alive))
    @rule(place=places)
    def thaw(self, place):
        frozen = [process for process in self.world.alive if process.frozen]
        frozen[place % len(frozen)].thaw()

    @precondition(lambda self: self.world.alive)
    @rule(place=places, requests=st.integers(1, 20), fault=st.sampled_from(Fault))
    def disturb(self, place, requests, fault):
        """One of the next requests goes wrong."""
        process = self.process(place)
        process.faults[process.requests + requests] = fault

    @precondition(lambda self: self.world.alive)
    @rule(place=places)
    def shut_down(self, place):
        """SIGTERM."""
        self.process(place).stream.stop()

    @rule(lag=st.integers(0, 3))
    def move_coordinator(self, lag):
        self.world.broker.move_coordinator(lag)

    @rule()
    def rebalance(self):
        self.world.group.rebalance()

    @precondition(lambda self: self.world.group.members)
    @rule(place=places)
    def evict(self, place):
        """A session that times out: the member finds out only later."""
        members = self.world.group.members
        self.world.group.leave(members[place % len(members)])

    @invariant()
    def promise(self):
        self.world.check()

    def process(self, place):
        return self.world.alive[place % len(self.world.alive)]

    def teardown(self) -> None:
        try:
            self.world.settle()
        finally:
            self.world.__exit__(None, None, None)


def test_exactly_one_terminal_record_whatever_happens():
    run_state_machine_as_test(
        ExactlyOneTerminal,
        settings=settings(
            max_examples=400,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
