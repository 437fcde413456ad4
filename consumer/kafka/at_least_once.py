"""`delivery = at_least_once`: publish, then commit the low watermark. For brokers without transactions.

After a crash the records above the committed offset are judged again: their verdicts carry the same
`verdict_id`.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import CommitFailedError, KafkaError, MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, State
from consumer.kafka.completion_map import Coverage
from consumer.kafka.connection import BATCH_BYTES, client_options, topic_partition
from consumer.kafka.positions import start_position
from consumer.messages import Terminal
from consumer.ops.metrics import Metrics
from consumer.settings import Settings

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0


class AtLeastOnce:
    """Commits every `flow.commit_seconds`."""

    def __init__(self, settings: Settings, consumer: AIOKafkaConsumer, metrics: Metrics) -> None:
        self._settings = settings
        self._consumer = consumer
        self._metrics = metrics
        self._owned: set[Assignment] = set()
        self._committing: asyncio.Task[None] | None = None
        self._appending = asyncio.Lock()
        """One at a time: aiokafka wakes every sender that waits for a full batch whenever one leaves."""
        # Not idempotent: brokers without transactions refuse producer ids, and a repeated record is in the promise.
        self._producer = AIOKafkaProducer(
            **client_options(settings.kafka),
            acks="all",
            enable_idempotence=False,
            linger_ms=5,
            max_batch_size=BATCH_BYTES,
            max_request_size=settings.kafka.largest_output_bytes,
        )

    async def start(self, tasks: asyncio.TaskGroup, _lost: Callable[[Assignment], None]) -> None:
        """Connects and begins to commit."""
        await self._producer.start()
        self._committing = tasks.create_task(self._commit_forever())

    async def activate(self, assignment: Assignment) -> Coverage:
        """The committed offset, or `kafka.start` for a group without one."""
        tp = topic_partition(assignment.partition)
        committed: int | None = await self._consumer.committed(tp)
        if committed is None:
            committed = await start_position(self._consumer, tp, self._settings.kafka.start)
        self._owned.add(assignment)
        return Coverage(committed)

    async def publish(self, assignment: Assignment, offset: int, terminal: Terminal | None) -> None:
        """Waits through broker outages. Raises StreamBroken when the broker will never take the record."""
        if terminal is not None:
            for record in (terminal, *terminal.beside):
                await self._send(record)
        assignment.finish(offset)

    def waiting(self, assignment: Assignment) -> int:
        """None: each outcome leaves as soon as it is there."""
        return 0

    def hurry(self) -> None:
        """Nothing waits."""

    async def suspect(self, assignment: Assignment, offset: int) -> int:
        """Nothing is remembered across crashes: these brokers keep no metadata."""
        return 0

    async def _send(self, terminal: Terminal) -> None:
        headers = list(terminal.headers)
        while True:
            try:
                async with self._appending:
                    durable = await self._producer.send(terminal.topic, terminal.value, terminal.key, headers=headers)
                await durable
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

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flow.commit_seconds)
            await self.settle(self._owned)

    async def settle(self, assignments: Iterable[Assignment]) -> None:
        """Commits the low offset of every assignment where it has moved; a failure is tried again next time."""
        moved = {
            assignment: assignment.ledger.low
            for assignment in assignments
            if assignment.state in (State.ACTIVE, State.DRAINING) and assignment.ledger.low > assignment.committed
        }
        if not moved:
            return
        offsets = {topic_partition(a.partition): OffsetAndMetadata(low, "") for a, low in moved.items()}
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

    async def release(self, assignment: Assignment) -> None:
        """Commits nothing more for it."""
        self._owned.discard(assignment)

    async def stop(self) -> None:
        """Flushes and disconnects."""
        if self._committing is not None:
            self._committing.cancel()
        await self._producer.stop()
