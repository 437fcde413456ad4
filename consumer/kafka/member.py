"""One membership of the consumer group: polls, keeps the ledgers, runs one task a record, pauses and resumes.

getmany → assignment.take → order per key → work.process → delivery.publish
"""

import asyncio
import contextlib
from collections.abc import Awaitable

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, SkipRefused, State
from consumer.kafka.at_least_once import AtLeastOnce
from consumer.kafka.connection import AIOKAFKA, Clients, client_options, topic_partition
from consumer.kafka.delivery import Delivery, Reached
from consumer.kafka.exactly_once import ExactlyOnce
from consumer.kafka.hearing import Hearing, heartbeat_seconds
from consumer.kafka.items import Items, Work
from consumer.kafka.rebalance import Rebalance
from consumer.messages import Holding, Partition, RawRecord
from consumer.ops.metrics import Metrics
from consumer.settings import MIB, Settings

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.1
RETRY_SECONDS = 0.5
STOP_SECONDS = 3.0
JOIN_ROOM_SECONDS = 5.0
EVERYDAY_PAUSES = frozenset({"records", "bytes"})
"""Reasons that come and go many times a second under load."""
BRIEF_SECONDS = 5.0
"""So long such a reason only keeps us from polling: aiokafka throws away what it has fetched of a paused partition."""


class Member:
    """`run` once; afterwards a new member is needed."""

    def __init__(
        self, settings: Settings, work: Work, metrics: Metrics, reached: Reached, clients: Clients = AIOKAFKA
    ) -> None:
        self._settings = settings
        self._work = work
        self._metrics = metrics
        self._consumer = _consumer(settings, clients)
        self._delivery: Delivery = (
            ExactlyOnce(settings, self._consumer, metrics, reached, clients)
            if settings.delivery == "exactly_once"
            else AtLeastOnce(settings, self._consumer, metrics)
        )
        self._hearing = Hearing(settings, self._consumer)
        self._pauses: frozenset[str] = frozenset()
        self._unpaused_at = 0.0
        """When there was no reason to pause last."""
        self._rebalance: Rebalance | None = None

    @property
    def ready(self) -> bool:
        """Whether the group has answered, still does, and every assigned partition can be read; see `Hearing` for how
        late this falls when the brokers are gone.
        """
        rebalance = self._rebalance
        if rebalance is None or not rebalance.assigned_once or self._hearing.lost:
            return False
        return all(assignment.state is State.ACTIVE for assignment in rebalance.owned.values())

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """The partitions that this member owns."""
        owned = self._rebalance.owned if self._rebalance is not None else {}
        return tuple(assignment.holding(self._pauses) for assignment in owned.values())

    @property
    def waiting(self) -> int:
        """Outcomes that wait to be committed."""
        return 0 if self._rebalance is None else self._rebalance.waiting

    async def run(self, stopping: asyncio.Event) -> int:
        """Joins and works until `stopping` is set, then drains; returns how many records stay unfinished.

        Raises StartRefused; MustRejoin or StreamBroken, alone or in an ExceptionGroup.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                rebalance = await self._join(tasks)
                listening = tasks.create_task(self._hearing.listen())
                items = Items(self._work, self._delivery, tasks, self._settings.flow.crashes_alone)
                await self._poll(rebalance, items, stopping)
                listening.cancel()
                owned = list(rebalance.owned.values())
                unfinished = await rebalance.drain(owned, self._settings.flow.drain_seconds)
                # leaves first: a rebalance from here on would hand out partitions that nobody reads
                await _bounded(self._consumer.stop(), "leave_group")
                rebalance.end_all()
                await self._delivery.stop()
        finally:
            if self._rebalance is not None:
                self._rebalance.end_all()
            await _bounded(self._consumer.stop(), "leave_group")
            await _bounded(self._delivery.stop(), "delivery")
        return unfinished

    async def _join(self, tasks: asyncio.TaskGroup) -> Rebalance:
        rebalance = Rebalance(self._settings, self._consumer, self._delivery, tasks, self._metrics)
        try:
            await self._delivery.start(tasks, rebalance.restart)
            await self._consumer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            raise StreamBroken(
                f"cannot connect to Kafka at {self._settings.kafka.bootstrap}: {error!r}; `advet doctor` tells more"
            ) from error
        self._consumer.subscribe([self._settings.topics.submissions], listener=rebalance)
        self._rebalance = rebalance
        return rebalance

    async def _poll(self, rebalance: Rebalance, items: Items, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            items.freed.clear()
            held = rebalance.held
            brief = self._pause_and_resume(rebalance, held)
            if self._pauses:
                with contextlib.suppress(TimeoutError):  # not wait_for: on Python 3.11 it can swallow a cancellation
                    async with asyncio.timeout(POLL_SECONDS):
                        await items.freed.wait()
            if brief:
                continue
            for tp, records in (await self._read(rebalance, held)).items():
                assignment = rebalance.owned.get(tp)
                if assignment is not None and assignment.state is State.ACTIVE:
                    self._take_all(assignment, tp, records, items)
            await self._pass_markers(rebalance)
            # getmany does not wait for what has been fetched already: without this the loop takes, and nothing else
            await asyncio.sleep(0)

    async def _read(self, rebalance: Rebalance, held: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        try:
            batches: dict[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
                # polled while paused as well: it counts as being alive for max.poll.interval
                timeout_ms=0 if self._pauses else int(POLL_SECONDS * 1000),
                max_records=self._work.room(held),
            )
        except NoOffsetForPartitionError:
            # expected until the activation of a partition without commits has found its position
            await asyncio.sleep(POLL_SECONDS)
        except OffsetOutOfRangeError as error:
            # retention, or a new leader that has not caught up: activation tells them apart
            log.warning("out_of_range", error=str(error))
            for tp in error.args[0]:
                rebalance.restart_partition(tp)
        except KafkaError as error:
            if not error.retriable:
                raise StreamBroken(f"Kafka refuses to be read: {error!r}; `advet doctor` tells more") from error
            log.warning("poll_retry", error=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return batches
        return {}

    def _pause_and_resume(self, rebalance: Rebalance, held: int) -> bool:
        """Returns whether a pause is so brief that partitions are not paused for it: do not read, then."""
        pauses = self._work.pauses(held)
        now = asyncio.get_running_loop().time()
        if not pauses:
            self._unpaused_at = now
        brief = bool(pauses) and pauses <= EVERYDAY_PAUSES and now < self._unpaused_at + BRIEF_SECONDS
        if pauses != self._pauses:
            shown = log.debug if pauses | self._pauses <= EVERYDAY_PAUSES else log.info
            shown("paused" if pauses else "resumed", reasons=sorted(pauses), held=held)
            self._pauses = pauses
        for tp, assignment in rebalance.owned.items():
            if assignment.state is not State.ACTIVE:
                continue
            stop = (bool(pauses) and not brief) or not assignment.has_room(assignment.ledger.position)
            if stop and not assignment.paused:
                self._consumer.pause(tp)
            elif assignment.paused and not stop:
                self._consumer.resume(tp)
            assignment.paused = stop
        if brief and rebalance.waiting >= self._settings.flow.max_records:
            self._delivery.hurry()
        paused = sum(assignment.paused for assignment in rebalance.owned.values())
        self._metrics.show_flow(rebalance.in_flight, paused, pauses)
        return brief

    def _take_all(
        self, assignment: Assignment, tp: TopicPartition, records: list[ConsumerRecord], items: Items
    ) -> None:
        taken = 0
        for read in records:
            if not assignment.has_room(read.offset):
                self._consumer.seek(tp, read.offset)
                break
            record = RawRecord(
                assignment.partition, read.offset, read.timestamp, read.key, read.value, tuple(read.headers)
            )
            if assignment.take(record):
                taken += 1
                items.take(assignment, record)
        self._metrics.records.inc(taken)

    def skip(self, partition: Partition, offset: int, reason: str) -> None:
        """Sends the record at `offset` to the dead letters, now or when it is read. Raises SkipRefused."""
        owned = self._rebalance.owned if self._rebalance is not None else {}
        assignment = owned.get(topic_partition(partition))
        if assignment is None or assignment.state is not State.ACTIVE:
            raise SkipRefused(f"this consumer does not own {partition.topic}[{partition.number}] now")
        assignment.skip(offset, reason)

    async def _pass_markers(self, rebalance: Rebalance) -> None:
        """Transaction markers hold offsets too: without this an idle partition would show a lag for ever."""
        for tp, assignment in list(rebalance.owned.items()):
            if assignment.state is State.ACTIVE and not assignment.ledger.in_flight:
                try:
                    position = await self._consumer.position(tp)
                except IllegalStateError:
                    continue  # taken away meanwhile
                assignment.ledger.reach(position)
                end = self._consumer.highwater(tp)
                if end is not None and position >= end:
                    assignment.prove()


def _consumer(settings: Settings, clients: Clients) -> AIOKafkaConsumer:
    kafka = settings.kafka
    # a JoinGroup is answered when all members have rejoined: it may take the whole rebalance timeout
    request_seconds = max(kafka.request_timeout_seconds, kafka.rebalance_timeout_seconds + JOIN_ROOM_SECONDS)
    return clients.consumer(
        **client_options(kafka) | {"request_timeout_ms": int(request_seconds * 1000)},
        group_id=kafka.group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        session_timeout_ms=int(kafka.session_timeout_seconds * 1000),
        rebalance_timeout_ms=int(kafka.rebalance_timeout_seconds * 1000),
        heartbeat_interval_ms=int(heartbeat_seconds(kafka.session_timeout_seconds) * 1000),
        max_poll_interval_ms=int(max(300, kafka.session_timeout_seconds * 2) * 1000),
        max_partition_fetch_bytes=max(MIB, kafka.max_record_bytes),
        # the group's leader sees added partitions only then; aiokafka's default is five minutes
        metadata_max_age_ms=int(kafka.session_timeout_seconds * 1000),
    )


async def _bounded(stopping: Awaitable[None], what: str) -> None:
    """aiokafka waits without a limit for a broker that is gone; the broker forgets us by itself."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await stopping
    except TimeoutError:
        log.warning("stop_timeout", what=what, seconds=STOP_SECONDS)
