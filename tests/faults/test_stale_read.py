"""The group's coordinator dies while a partition is activated: with the barrier nobody reads an old commit.

Without it somebody does, which shows that the test provokes what the barrier is for: a new coordinator answers
for a moment with what it had replicated as committed, not with what was acknowledged.
"""

import asyncio
import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from consumer.kafka.committed import committed_coverage
from consumer.kafka.completion_map import Coverage, encode
from consumer.kafka.connection import client_options
from consumer.kafka.delivery import reached_nothing
from consumer.kafka.transactions import Transactions, transactional_id
from consumer.settings import KafkaSettings
from tests.faults.brokers import Brokers
from tests.rig import Rig

pytestmark = pytest.mark.kafka
ROUNDS = 10
"""At most; one kill in three or so is followed by an old answer."""
MEASURED = 4
"""Partitions a round and way of reading."""
RETRY_SECONDS = 0.02
ROUND_SECONDS = 60.0


class WithoutBarrier(Transactions):
    """Fences earlier owners, and trusts the coordinator."""

    async def barrier(self) -> None:
        pass


def test_the_coordinator_moves_during_activation(
    tmp_path: Path, make_rig: Callable[..., Rig], brokers: Brokers
) -> None:
    """Rounds until an old commit was read without the barrier; never with it."""
    rig = make_rig(48)
    kafka, topic = rig.settings.kafka, rig.settings.topics.submissions
    stale: dict[type[Transactions], int] = {Transactions: 0, WithoutBarrier: 0}
    rounds = 0
    while rounds < ROUNDS and not stale[WithoutBarrier]:
        rounds += 1
        coordinator = brokers.group_coordinator(kafka)
        tps = [TopicPartition(topic, number) for number in range(48)]
        # transactions that survive the kill: their own coordinator is another node
        deciders = brokers.transaction_coordinators(kafka, [transactional_id(kafka.group, tp) for tp in tps])
        others = [tp for tp, decider in zip(tps, deciders, strict=True) if decider != coordinator]
        assert len(others) >= 2 * MEASURED, "one node coordinates nearly all transactions"
        plan = dict(zip(others, [Transactions, WithoutBarrier] * MEASURED, strict=False))
        asyncio.run(commit_all(kafka, list(plan), rounds, functools.partial(brokers.kill, coordinator)))
        for kind, low in asyncio.run(read_all(kafka, plan)):
            assert low in (rounds - 1, rounds) or rounds == 1
            stale[kind] += low < rounds
        brokers.restart(coordinator)
    print(f"old answers in {rounds} rounds of {MEASURED}: { ({kind.__name__: n for kind, n in stale.items()}) }")
    assert stale[Transactions] == 0
    assert stale[WithoutBarrier] > 0


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
