"""Three nodes on this machine, of which one is killed: what the fault tests build on."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumer.kafka.admin import admin_client
from consumer.kafka.topics import apply, existing_topics, make_plan
from consumer.local.apache_kafka import KafkaCluster
from consumer.settings import KafkaSettings, Settings
from tests.conftest import started

pytestmark = pytest.mark.kafka
RECORDS = 50


def test_a_killed_node_loses_nothing_and_comes_back(tmp_path: Path) -> None:
    """Topics get three replicas; acknowledged records survive kill -9; the node rejoins on its old folder."""
    cluster = started(lambda: KafkaCluster.start(tmp_path, 3))
    try:
        asyncio.run(asyncio.wait_for(_lose_one(cluster), 60))
    finally:
        cluster.kill_all()


async def _lose_one(cluster: KafkaCluster) -> None:
    settings = Settings(kafka=KafkaSettings(bootstrap=cluster.bootstrap))
    topic = settings.topics.submissions
    async with admin_client(settings.kafka) as admin:
        await apply(admin, await make_plan(admin, settings, 3))
        found = (await existing_topics(admin, [topic]))[topic]
    assert (found.partitions, found.replication, found.configs["min.insync.replicas"]) == (3, 3, "2")
    async with AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all") as producer:
        for number in range(RECORDS):
            if number == RECORDS // 2:
                cluster.kill(2)
            await producer.send_and_wait(topic, b"%d" % number)
    first = cluster.node(2).child
    await cluster.restart(2)
    second = cluster.node(2).child
    assert first is not None
    assert second is not None
    assert not first.alive
    assert second.alive
    seen: set[int] = set()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest")
    async with consumer:
        while len(seen) < RECORDS:
            seen.add(int((await consumer.getone()).value))
    assert seen == set(range(RECORDS))
