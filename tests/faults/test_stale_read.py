"""The group's coordinator dies while a partition is activated: with the barrier nobody reads an old commit.

Without it somebody does, which shows that the test provokes what the barrier is for: a new coordinator answers
for a moment with what it had replicated as committed, not with what was acknowledged.
"""

import asyncio
import functools
from collections.abc import Callable, Iterator, Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from consumer.kafka.committed import committed_coverage
from consumer.kafka.completion_map import Coverage, encode
from consumer.kafka.connection import client_options
from consumer.kafka.delivery import reached_nothing
from consumer.kafka.transactions import Transactions, transactional_id
from consumer.local.apache_kafka import KafkaCluster
from consumer.settings import KafkaSettings
from tests.conftest import started
from tests.faults.brokers import Brokers
from tests.faults.conftest import SHORT_KILLS
from tests.rig import Rig, wait_for

pytestmark = pytest.mark.kafka
SHORT_ROUNDS = 5
LONG_ROUNDS = 60
"""At most: a kill is followed by an old answer often, not always, so only the long form insists on one."""
MEASURED = 4
"""Partitions a round and way of reading."""
PARTITIONS = 48
RETRY_SECONDS = 0.02
ROUND_SECONDS = 60.0


@pytest.fixture
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """A cluster of its own that gives leadership back after a restart: coordinators must not pile up on one node."""
    balance = {"leader.imbalance.check.interval.seconds": "1", "leader.imbalance.per.broker.percentage": "0"}
    folder = tmp_path_factory.mktemp("balanced")
    cluster = started(lambda: KafkaCluster.start(folder, 3, properties=balance))
    yield Brokers(cluster)
    cluster.kill_all()


class WithoutBarrier(Transactions):
    """Fences earlier owners, and trusts the coordinator."""

    async def barrier(self) -> None:
        pass


def test_the_coordinator_moves_during_activation(
    make_rig: Callable[..., Rig], brokers: Brokers, pytestconfig: pytest.Config
) -> None:
    """Rounds until an old commit was read without the barrier; never with it."""
    long = pytestconfig.getoption("--kills", SHORT_KILLS) > SHORT_KILLS
    rig = make_rig(PARTITIONS)
    kafka = rig.settings.kafka
    stale: dict[type[Transactions], int] = {Transactions: 0, WithoutBarrier: 0}
    rounds = 0
    while rounds < (LONG_ROUNDS if long else SHORT_ROUNDS) and not stale[WithoutBarrier]:
        rounds += 1
        coordinator, others = wait_for(lambda: surviving(brokers, rig))
        plan = dict(zip(others, [Transactions, WithoutBarrier, WithoutBarrier] * MEASURED, strict=False))
        asyncio.run(commit_all(kafka, list(plan), rounds, functools.partial(brokers.kill, coordinator)))
        for kind, low in asyncio.run(read_all(kafka, plan)):
            stale[kind] += low < rounds  # what the dead coordinator had acknowledged is `rounds`
        brokers.restart(coordinator)
    print(f"old answers in {rounds} rounds of {MEASURED}: { ({kind.__name__: n for kind, n in stale.items()}) }")
    assert stale[Transactions] == 0
    assert stale[WithoutBarrier] > 0 or not long


def surviving(brokers: Brokers, rig: Rig) -> tuple[int, list[TopicPartition]] | None:
    """The group's coordinator, and partitions whose transactions another node decides: they survive its death."""
    kafka, topic = rig.settings.kafka, rig.settings.topics.submissions
    coordinator = brokers.group_coordinator(kafka)
    tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    deciders = brokers.transaction_coordinators(kafka, [transactional_id(kafka.group, tp) for tp in tps])
    others = [tp for tp, decider in zip(tps, deciders, strict=True) if decider != coordinator]
    return (coordinator, others) if len(others) >= 3 * MEASURED else None


async def commit_all(kafka: KafkaSettings, tps: Sequence[TopicPartition], low: int, kill: Callable[[], None]) -> None:
    """The last thing that the old coordinator acknowledges: one transaction a partition, all at the same time."""
    owners = [Transactions(kafka, tp, reached_nothing) for tp in tps]
    for owner in owners:
        await owner.start()
    await asyncio.gather(*(owner.commit([], low, encode(Coverage(low))) for owner in owners))
    kill()
    await asyncio.gather(*(owner.stop() for owner in owners))


async def read_all(
    kafka: KafkaSettings, plan: dict[TopicPartition, type[Transactions]]
) -> list[tuple[type[Transactions], int]]:
    """What the next owners read, all at the same time."""

    async def read(tp: TopicPartition, kind: type[Transactions]) -> tuple[type[Transactions], int]:
        while True:
            admin = AIOKafkaAdminClient(**client_options(kafka))
            owner = kind(kafka, tp, reached_nothing)
            try:
                await admin.start()
                await owner.start()
                while True:
                    try:
                        coverage = await committed_coverage(admin, owner, kafka.group, tp)
                    except (KafkaError, TimeoutError, OSError):
                        if kind is Transactions:
                            raise  # as an activation does: with a new producer
                        await asyncio.sleep(RETRY_SECONDS)
                    else:
                        return kind, -1 if coverage is None else coverage.low
            except (KafkaError, TimeoutError, OSError):
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                await owner.stop()
                await admin.close()

    async with asyncio.timeout(ROUND_SECONDS):
        return await asyncio.gather(*(read(tp, kind) for tp, kind in plan.items()))
