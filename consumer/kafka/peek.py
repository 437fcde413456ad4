"""Looks into partitions from outside any group, again and again over one connection: where they end, what is next.

Ends are high watermarks as fetches report them: a list of end offsets leaves out open transactions, and one broker
counts batches in it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumer.errors import StreamBroken
from consumer.kafka.connection import cannot_read, independent_consumer, topic_partition
from consumer.messages import Partition, RawRecord
from consumer.settings import KafkaSettings

LOOK_SECONDS = 10.0
POLL_MS = 100
FETCH_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Want:
    """What to look for in a partition."""

    begin: int | None = None
    """Offset to begin at; None: where the partition begins."""
    last: int | None = None
    """Begin so many offsets before the end at the earliest."""
    most: int = 0
    """Records that are enough."""
    most_bytes: int | None = None
    """Bytes of records that are enough."""
    passing: frozenset[int] = frozenset()
    """Offsets whose records do not count."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found."""

    first: int
    """Lowest offset that retention has left."""
    end: int
    """High watermark: the offset of the next record."""
    begin: int
    position: int
    """First offset at or above `begin` that was not looked at."""
    records: tuple[RawRecord, ...]
    """Those from `begin` to `position` but for the ones to be passed."""
    gaps: int
    """Offsets looked at that hold no record: markers of transactions, aborted or compacted records."""


class Peek:
    """`async with Peek(settings) as peek`, then `look` as often as wanted."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        connecting = independent_consumer(
            self._settings, fetch_max_wait_ms=POLL_MS, max_partition_fetch_bytes=FETCH_BYTES
        )
        self._consumer = await self._open.enter_async_context(connecting)
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._consumer = None
        await self._open.aclose()

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """For questions about offsets between two looks."""
        if self._consumer is None:
            raise StreamBroken("the connection is closed")
        return self._consumer

    async def look(self, wants: Mapping[Partition, Want]) -> dict[Partition, Seen]:
        """All of them at once. Raises StreamBroken when a partition does not answer in time."""
        if not wants:
            return {}
        consumer = self.consumer
        readings = {topic_partition(partition): _Reading(partition, want) for partition, want in wants.items()}
        waiting = dict(readings)
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                consumer.assign(list(readings))
                for tp, first in (await consumer.beginning_offsets(list(readings))).items():
                    consumer.seek(tp, readings[tp].start(first))
                while waiting:
                    found: dict[TopicPartition, list[Any]] = await consumer.getmany(timeout_ms=POLL_MS)
                    await asyncio.sleep(0)  # a broker that answers at once must not keep other tasks from running
                    for tp, records in found.items():
                        if tp in waiting:
                            waiting[tp].take(records)
                    await _leave_finished(consumer, waiting)
        except KafkaError as error:
            raise StreamBroken(cannot_read(self._settings, error)) from error
        except TimeoutError as error:
            late = next(iter(waiting or readings))
            raise StreamBroken(
                f"{self._settings.bootstrap} does not answer for {late.topic}[{late.partition}]; `advet doctor` "
                "tells more"
            ) from error
        finally:
            consumer.unsubscribe()
        return {reading.partition: reading.seen() for reading in readings.values()}


async def _leave_finished(consumer: AIOKafkaConsumer, waiting: "dict[TopicPartition, _Reading]") -> None:
    for tp, reading in list(waiting.items()):
        end = consumer.highwater(tp)
        if end is None:
            continue
        if (later := reading.told_end(end)) is not None:
            consumer.seek(tp, later)
            continue
        stable = consumer.last_stable_offset(tp)
        readable = end if stable is None or stable < 0 else min(end, stable)
        reading.reached(await consumer.position(tp), readable)
        if reading.done:
            consumer.pause(tp)
            del waiting[tp]


@dataclass(slots=True)
class _Reading:
    """One partition while it is looked into."""

    partition: Partition
    want: Want
    first: int = 0
    begin: int = 0
    end: int = 0
    position: int = 0
    done: bool = False
    records: list[RawRecord] = field(default_factory=list)
    _moved: bool = False
    _bytes: int = 0

    def start(self, first: int) -> int:
        self.first = first
        self.begin = self.position = first if self.want.begin is None else max(first, self.want.begin)
        return self.begin

    def told_end(self, end: int) -> int | None:
        """Notes the end; returns where to go on instead, when only the last offsets are wanted."""
        self.end = end
        if self.want.last is None or self._moved:
            return None
        self._moved = True
        later = end - self.want.last
        if later <= self.begin:
            return None
        self.begin = self.position = later
        self.records.clear()
        self.done = False
        return later

    def take(self, records: Sequence[Any]) -> None:
        for record in records if self.want.most else ():
            if self.done:
                return
            if record.offset < self.begin:
                self.done = True  # the position lies behind the end, and the client has begun anew
                return
            self.position = record.offset + 1
            if record.offset not in self.want.passing:
                headers = tuple(record.headers)
                self.records.append(
                    RawRecord(self.partition, record.offset, record.timestamp, record.key, record.value, headers)
                )
                self._bytes += self.records[-1].size_bytes
            full = self.want.most_bytes is not None and self._bytes >= self.want.most_bytes
            self.done = full or len(self.records) >= self.want.most

    def reached(self, position: int, readable: int) -> None:
        if self.done:
            return
        if self.want.most == 0:
            self.done = True
        elif position >= readable or position < self.begin:
            self.position = max(self.position, min(position, self.end))
            self.done = True

    def seen(self) -> Seen:
        passed = sum(self.begin <= offset < self.position for offset in self.want.passing)
        gaps = max(0, self.position - self.begin - len(self.records) - passed)
        return Seen(self.first, self.end, self.begin, self.position, tuple(self.records), gaps)
