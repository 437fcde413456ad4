"""The input side: polls, keeps the ledgers, runs one task a record, pauses and resumes.

getmany → ledger.take → order per key → work.process → publisher.publish → ledger.finish → commit
"""

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, State
from consumer.kafka.connection import client_options
from consumer.kafka.publisher import AtLeastOncePublisher
from consumer.kafka.rebalance import Rebalance
from consumer.messages import RawRecord, Terminal
from consumer.ops.metrics import Metrics
from consumer.settings import MIB, Settings

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.1
RETRY_SECONDS = 0.5
STOP_SECONDS = 3.0
WINDOW_OFFSETS = 4096
"""How far a partition may run ahead of its lowest unfinished offset."""
EVERYDAY_PAUSES = frozenset({"records", "bytes"})
"""Reasons that come and go many times a second under load."""


class Work(Protocol):
    """What is done with a record between reading it and publishing its outcome."""

    def open(self, record: RawRecord) -> None:
        """Counts the record against the bounds."""

    async def process(self, record: RawRecord) -> Terminal | None:
        """The record's terminal record, or None for a withdrawal. Raises StreamBroken only."""

    def close(self, record: RawRecord) -> None:
        """Gives back what `open` and `process` counted."""

    def pauses(self, records_in_flight: int) -> frozenset[str]:
        """Why nothing more may be read now."""
        ...

    def room(self, records_in_flight: int) -> int:
        """Records that may be read at once; at least 1."""
        ...


class Stream:
    """One member of the consumer group."""

    def __init__(self, settings: Settings, work: Work, metrics: Metrics) -> None:
        self._settings = settings
        self._work = work
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._freed = asyncio.Event()
        """Something in flight has finished, so a pause may be over."""
        self._rebalance: Rebalance | None = None
        self.pauses: frozenset[str] = frozenset()
        """Why all partitions are paused; empty when they are read."""

    @property
    def ready(self) -> bool:
        """Whether the group has answered, every assigned partition can be read, and no shutdown has begun."""
        rebalance = self._rebalance
        if rebalance is None or self._stopping.is_set():
            return False
        return rebalance.assigned_once and all(a.state is State.ACTIVE for a in rebalance.owned.values())

    def stop(self) -> None:
        """Asks `run` to drain and return."""
        self._stopping.set()

    async def run(self) -> int:
        """Joins the group and works until `stop`. Returns how many records were given up unfinished.

        Raises StreamBroken (alone or in an ExceptionGroup) when the stream itself fails.
        """
        consumer = self._consumer()
        publisher = AtLeastOncePublisher(self._settings, consumer, self._metrics)
        try:
            await publisher.start()
            await consumer.start()
            async with asyncio.TaskGroup() as tasks:
                rebalance = Rebalance(self._settings, consumer, publisher, tasks, self._metrics)
                self._rebalance = rebalance
                committing = tasks.create_task(publisher.commit_forever(rebalance.owned))
                consumer.subscribe([self._settings.topics.submissions], listener=rebalance)
                await self._poll(consumer, publisher, rebalance, tasks)
                unfinished = await rebalance.drain(list(rebalance.owned.values()), self._settings.flow.drain_seconds)
                for assignment in rebalance.owned.values():
                    assignment.end()
                committing.cancel()
        except KafkaError as error:
            raise StreamBroken(
                f"Kafka at {self._settings.kafka.bootstrap}: {error!r}; `advet doctor` tells more"
            ) from error
        finally:
            # leaving the group first hands the partitions over; the producer has nothing left to send
            await _bounded(consumer.stop(), "leave_group")
            await _bounded(publisher.stop(), "producer_stop")
        return unfinished

    def _consumer(self) -> AIOKafkaConsumer:
        kafka = self._settings.kafka
        return AIOKafkaConsumer(
            **client_options(kafka)
            | {
                # a JoinGroup is answered when all members have rejoined: it may take the whole rebalance timeout
                "request_timeout_ms": int((kafka.rebalance_timeout_seconds + kafka.request_timeout_seconds) * 1000)
            },
            group_id=kafka.group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            session_timeout_ms=int(kafka.session_timeout_seconds * 1000),
            rebalance_timeout_ms=int(kafka.rebalance_timeout_seconds * 1000),
            heartbeat_interval_ms=int(min(3, kafka.session_timeout_seconds / 6) * 1000),
            max_poll_interval_ms=int(max(300, kafka.session_timeout_seconds * 2) * 1000),
            max_partition_fetch_bytes=max(MIB, kafka.max_record_bytes),
        )

    async def _poll(
        self,
        consumer: AIOKafkaConsumer,
        publisher: AtLeastOncePublisher,
        rebalance: Rebalance,
        tasks: asyncio.TaskGroup,
    ) -> None:
        while not self._stopping.is_set():
            self._freed.clear()
            in_flight = sum(a.ledger.in_flight for a in rebalance.owned.values())
            self._pause_and_resume(consumer, rebalance, in_flight)
            if self.pauses:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._freed.wait(), POLL_SECONDS)
            try:
                batches: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
                    # polled while paused as well: it counts as being alive for max.poll.interval
                    timeout_ms=0 if self.pauses else int(POLL_SECONDS * 1000),
                    max_records=self._work.room(in_flight),
                )
            except NoOffsetForPartitionError:
                # expected until the activation of a partition without commits has found its position
                await asyncio.sleep(POLL_SECONDS)
                continue
            except OffsetOutOfRangeError as error:
                raise StreamBroken(
                    f"the committed position no longer exists ({error}): retention deleted records that were never "
                    "judged, or the topic was made anew. Choose where to go on by committing an offset for the group"
                ) from error
            except KafkaError as error:
                if not error.retriable:
                    raise StreamBroken(f"Kafka refuses to be read: {error!r}; `advet doctor` tells more") from error
                log.warning("poll_retry", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for tp, records in batches.items():
                assignment = rebalance.owned.get(tp)
                if assignment is not None and assignment.state is State.ACTIVE:
                    for record in records:
                        self._take(assignment, record, publisher, tasks)
            await self._pass_markers(consumer, rebalance)

    def _pause_and_resume(self, consumer: AIOKafkaConsumer, rebalance: Rebalance, in_flight: int) -> None:
        pauses = self._work.pauses(in_flight)
        if pauses != self.pauses:
            shown = log.debug if pauses | self.pauses <= EVERYDAY_PAUSES else log.info
            shown("paused" if pauses else "resumed", reasons=sorted(pauses), in_flight=in_flight)
            self.pauses = pauses
        for tp, assignment in rebalance.owned.items():
            if assignment.state is not State.ACTIVE:
                continue
            stop = bool(pauses) or assignment.ledger.window >= WINDOW_OFFSETS
            if stop and not assignment.paused:
                consumer.pause(tp)
            elif assignment.paused and not stop:
                consumer.resume(tp)
            assignment.paused = stop
        paused = sum(a.paused for a in rebalance.owned.values())
        self._metrics.show_flow(in_flight, paused, pauses)

    def _take(
        self,
        assignment: Assignment,
        read: ConsumerRecord,
        publisher: AtLeastOncePublisher,
        tasks: asyncio.TaskGroup,
    ) -> None:
        record = RawRecord(assignment.partition, read.offset, read.timestamp, read.key, read.value, tuple(read.headers))
        assignment.ledger.take(record.offset)
        self._work.open(record)
        self._metrics.records.inc()
        if assignment.keys.admit(record.key, record):
            item = tasks.create_task(self._run_in_order(assignment, record, publisher))
            assignment.items.add(item)
            item.add_done_callback(assignment.items.discard)

    async def _run_in_order(self, assignment: Assignment, record: RawRecord, publisher: AtLeastOncePublisher) -> None:
        """Runs a record, then those of its key that came meanwhile."""
        current: RawRecord | None = record
        try:
            while current is not None:
                try:
                    terminal = await self._work.process(current)
                    await publisher.publish(assignment, current.offset, terminal)
                finally:
                    self._work.close(current)
                    self._freed.set()
                current = assignment.keys.release(record.key)
        finally:
            for waiting in assignment.keys.abandon(record.key):
                self._work.close(waiting)

    @staticmethod
    async def _pass_markers(consumer: AIOKafkaConsumer, rebalance: Rebalance) -> None:
        """Transaction markers hold offsets too: without this an idle partition would show a lag for ever."""
        for tp, assignment in list(rebalance.owned.items()):
            if assignment.state is State.ACTIVE and not assignment.ledger.in_flight:
                assignment.ledger.reach(await consumer.position(tp))


async def _bounded(stopping: Awaitable[None], what: str) -> None:
    """aiokafka waits without a limit for a broker that is gone; the broker forgets us by itself."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await stopping
    except TimeoutError:
        log.warning("stop_timeout", what=what, seconds=STOP_SECONDS)
