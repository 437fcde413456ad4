"""The one place that knows what delivery means: publishes terminal records and commits offsets."""

import asyncio
from collections.abc import Iterable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, KafkaError, MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, State
from consumer.kafka.connection import client_options
from consumer.messages import Terminal
from consumer.ops.metrics import Metrics
from consumer.settings import Settings

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
DEAD_LETTER_ROOM_BYTES = 64 * 1024


class AtLeastOncePublisher:
    """Publish, then commit the low watermark.

    After a crash the records above the committed offset are judged again: their verdicts carry the same
    `verdict_id`. `publish` returns when the broker has acknowledged; commits follow every
    `flow.commit_seconds`.
    """

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, metrics: Metrics) -> None:
        self._consumer = consumer
        self._commit_seconds = settings.flow.commit_seconds
        self._metrics = metrics
        # Not idempotent: this delivery is for brokers without producer ids, and a repeated record is in its promise.
        self._producer = AIOKafkaProducer(
            **client_options(settings.kafka),
            acks="all",
            enable_idempotence=False,
            linger_ms=5,
            max_request_size=settings.kafka.max_record_bytes + 2 * DEAD_LETTER_ROOM_BYTES,
        )

    async def start(self) -> None:
        """Connects; raises KafkaError."""
        await self._producer.start()

    async def publish(self, assignment: Assignment, offset: int, terminal: Terminal | None) -> None:
        """Makes the terminal record durable, then marks `offset` finished. None: a withdrawal, nothing to send.

        Waits through broker outages. Raises StreamBroken when the broker will never take the record.
        """
        if terminal is not None:
            await self._send(terminal)
        assignment.finish(offset)

    async def _send(self, terminal: Terminal) -> None:
        headers = [(name, value) for name, value in terminal.headers]
        while True:
            try:
                await self._producer.send_and_wait(terminal.topic, terminal.value, terminal.key, headers=headers)
            except MessageSizeTooLargeError as error:
                raise StreamBroken(
                    f"topic {terminal.topic} refuses a record of {len(terminal.value or b'')} bytes: set "
                    "kafka.max_record_bytes to the input topic's max.message.bytes and run `advet topics apply`"
                ) from error
            except KafkaError as error:
                if not error.retriable:
                    raise StreamBroken(f"topic {terminal.topic} refuses records: {error!r}") from error
                self._metrics.publish_retries.inc()
                log.warning("publish_retry", topic=terminal.topic, error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def commit_forever(self, owned: Mapping[TopicPartition, Assignment]) -> None:
        """Commits what `owned` holds at the time, every `flow.commit_seconds`, until cancelled."""
        while True:
            await asyncio.sleep(self._commit_seconds)
            await self.commit(list(owned.values()))

    async def commit(self, assignments: Iterable[Assignment]) -> None:
        """Commits the low offset of every assignment where it has moved; a failure is tried again next time."""
        moved = {
            assignment: assignment.ledger.low
            for assignment in assignments
            if assignment.state in (State.ACTIVE, State.DRAINING) and assignment.ledger.low > assignment.committed
        }
        if not moved:
            return
        offsets = {
            TopicPartition(a.partition.topic, a.partition.number): OffsetAndMetadata(low, "")
            for a, low in moved.items()
        }
        try:
            await self._consumer.commit(offsets)
        except CommitFailedError as error:
            # the group has moved on: the next owner starts from what was committed before
            log.warning("commit_refused", error=str(error))
            return
        except KafkaError as error:
            if not error.retriable:
                raise StreamBroken(f"offsets cannot be committed: {error!r}") from error
            log.warning("commit_retry", error=repr(error))
            return
        for assignment, low in moved.items():
            assignment.committed = low

    async def stop(self) -> None:
        """Flushes and disconnects."""
        await self._producer.stop()
