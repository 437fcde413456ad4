"""Which node does what, and what happens to it."""

import asyncio
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import CoordinationType
from aiokafka.errors import KafkaError

from consumer.kafka.admin import admin_client
from consumer.local.apache_kafka import KafkaCluster
from consumer.settings import KafkaSettings

ANSWER_SECONDS = 30.0
RETRY_SECONDS = 0.1


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
        return asyncio.run(_coordinators(settings, CoordinationType.GROUP, [settings.group]))[0]

    def transaction_coordinators(self, settings: KafkaSettings, transactional_ids: Sequence[str]) -> list[int]:
        """The nodes that decide the transactions of each id."""
        return asyncio.run(_coordinators(settings, CoordinationType.TRANSACTION, transactional_ids))

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


async def _coordinators(settings: KafkaSettings, kind: int, keys: Sequence[str]) -> list[int]:
    async with admin_client(settings) as admin, asyncio.timeout(ANSWER_SECONDS):
        return [await _ask(admin, kind, key) for key in keys]


async def _ask(admin: AIOKafkaAdminClient, kind: int, key: str) -> int:
    while True:
        try:
            return int(await admin._client.coordinator_lookup(kind, key))  # the public one knows groups only
        except KafkaError:  # a new cluster makes its topics at the first question; a coordinator may be moving
            await asyncio.sleep(RETRY_SECONDS)
