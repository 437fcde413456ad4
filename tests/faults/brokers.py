"""Which node does what, and what happens to it."""

import asyncio

from aiokafka.client import CoordinationType

from consumer.kafka.admin import admin_client
from consumer.local.apache_kafka import KafkaCluster
from consumer.settings import KafkaSettings


class Brokers:
    """The three nodes; all of them run again after each fault."""

    def __init__(self, cluster: KafkaCluster) -> None:
        self._cluster = cluster
        self.kills = 0

    @property
    def bootstrap(self) -> str:
        """All nodes."""
        return self._cluster.bootstrap

    def group_coordinator(self, settings: KafkaSettings) -> int:
        """The node that keeps the group's commits."""
        return asyncio.run(_coordinator(settings, CoordinationType.GROUP, settings.group))

    def transaction_coordinator(self, settings: KafkaSettings, transactional_id: str) -> int:
        """The node that decides this id's transactions."""
        return asyncio.run(_coordinator(settings, CoordinationType.TRANSACTION, transactional_id))

    def kill(self, number: int) -> None:
        """SIGKILL."""
        self._cluster.kill(number)
        self.kills += 1

    def restart(self, number: int) -> None:
        """Starts it on its old folder and waits until the cluster is whole."""
        asyncio.run(self._cluster.restart(number))

    def mend(self) -> None:
        """Starts what a failed test has left dead."""
        for node in self._cluster.nodes:
            if node.child is None or not node.child.alive:
                self.restart(node.number)


async def _coordinator(settings: KafkaSettings, kind: int, key: str) -> int:
    async with admin_client(settings) as admin:
        return int(await admin._client.coordinator_lookup(kind, key))  # the public one knows groups only
