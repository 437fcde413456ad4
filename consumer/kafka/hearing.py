"""Whether the group's coordinator still answers, for readiness.

Reading shows nothing: a dead broker looks like an empty topic. So the coordinator is asked for an offset with every
heartbeat, and a member that has not heard from it for a session timeout counts as out: by then the group has evicted
it, if there still is a group. Readiness falls that long after a broker has died, and one heartbeat later at most.
"""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumer.settings import Settings

log = structlog.get_logger(__name__)


def heartbeat_seconds(session_timeout_seconds: float) -> float:
    """Between two heartbeats of a member."""
    return min(3, session_timeout_seconds / 6)


class Hearing:
    """When the coordinator was heard last; `listen` runs beside the member."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer) -> None:
        self._patience_seconds = settings.kafka.session_timeout_seconds
        self._anything = TopicPartition(settings.topics.submissions, 0)
        self._consumer = consumer
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()

    @property
    def lost(self) -> bool:
        """Whether it has been silent for a session timeout."""
        return self._loop.time() - self._heard_at > self._patience_seconds

    async def listen(self) -> None:
        """Asks for as long as it is not cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await self._consumer.committed(self._anything)
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("coordinator_silent", error=repr(error))
            else:
                self._heard_at = self._loop.time()
            await asyncio.sleep(heartbeat_seconds(self._patience_seconds))
