"""Reads topics once, from a position to the end they have now: no group, committed records only.

Used by everything of `advet dlq`: dead letters, verdicts, the audit log of replays, reports of consumers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from consumer.errors import StreamBroken
from consumer.kafka.connection import cannot_read, independent_consumer, topic_partition
from consumer.messages import Partition, RawRecord
from consumer.settings import KafkaSettings

POLL_MS = 200
BATCH_RECORDS = 1000
STALL_SECONDS = 60.0
"""Silence before the end after which reading is given up; an open transaction holds records back for 15 to 25 s."""


class Scan:
    """`async with Scan(settings, topics) as scan`, then `batches`.

    `ends` is fixed when the block is entered: high watermarks, so that it lies behind every commit that was
    acknowledged by then, whichever transactions are still open before it.
    """

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[str], only: Mapping[Partition, range] | None = None
    ) -> None:
        """`only` limits the scan to these partitions and offsets; without it everything is read."""
        self._settings = settings
        self._topics = topics
        self._only = only
        self._consumer: AIOKafkaConsumer | None = None
        self._open = AsyncExitStack()
        self.begins: Mapping[Partition, int] = {}
        """Where reading begins; what retention has deleted is left out."""
        self.ends: Mapping[Partition, int] = {}
        """First offset behind what will be read."""

    async def __aenter__(self) -> Self:
        topics = self._topics if self._only is None else ()
        async with AsyncExitStack() as opening:
            self._consumer = await opening.enter_async_context(independent_consumer(self._settings, *topics))
            await self._position(self._consumer)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._consumer = None
        await self._open.aclose()

    async def _position(self, consumer: AIOKafkaConsumer) -> None:
        wanted = self._only or {}
        if wanted:
            consumer.assign([topic_partition(partition) for partition in wanted])
        partitions = sorted(Partition(tp.topic, tp.partition) for tp in consumer.assignment())
        firsts = await consumer.beginning_offsets(consumer.assignment())
        self.begins = {p: max(wanted[p].start if wanted else 0, firsts[topic_partition(p)]) for p in partitions}
        for partition, begin in self.begins.items():
            consumer.seek(topic_partition(partition), begin)
        ends = await self._watermarks(consumer)
        self.ends = {p: min(end, wanted[p].stop) if wanted else end for p, end in ends.items()}
        for partition, begin in self.begins.items():  # asking has read some records
            consumer.seek(topic_partition(partition), begin)

    async def _watermarks(self, consumer: AIOKafkaConsumer) -> dict[Partition, int]:
        """As fetches report them: a list of end offsets leaves out open transactions, and may count batches."""
        deadline = time.monotonic() + STALL_SECONDS
        waiting = {partition: topic_partition(partition) for partition in self.begins}
        found: dict[Partition, int] = {}
        while waiting:
            if time.monotonic() > deadline:
                raise StreamBroken(f"the broker does not answer for {next(iter(waiting))}")
            await consumer.getmany(timeout_ms=POLL_MS, max_records=1)
            known = {p: consumer.highwater(tp) for p, tp in waiting.items() if consumer.highwater(tp) is not None}
            for partition, end in known.items():
                found[partition] = end
                consumer.pause(waiting.pop(partition))
        consumer.resume(*consumer.assignment())
        return found

    async def batches(self) -> AsyncIterator[Sequence[RawRecord]]:
        """Every record from `begins` to `ends`, some at a time; per partition in order. Raises StreamBroken."""
        if self._consumer is None:
            raise StreamBroken("the scan is closed")
        left = {topic_partition(p): end for p, end in self.ends.items() if end > self.begins[p]}
        done = [tp for tp in self._consumer.assignment() if tp not in left]
        if done:
            self._consumer.pause(*done)
        heard = time.monotonic()
        while left:
            found = await self._poll(self._consumer)
            for tp, records in found.items():
                inside = [record for record in records if record.offset < left.get(tp, 0)]
                if inside:
                    yield _raw(tp, inside)
            moved = await self._finished(self._consumer, left)
            if found or moved:
                heard = time.monotonic()
            elif time.monotonic() - heard > STALL_SECONDS:
                raise StreamBroken(
                    f"{next(iter(left)).topic}: a transaction has been open for {STALL_SECONDS:g} s and holds the rest "
                    "back; try again when it has ended"
                )

    async def _poll(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[Any]]:
        try:
            found: dict[TopicPartition, list[Any]] = await consumer.getmany(
                timeout_ms=POLL_MS, max_records=BATCH_RECORDS
            )
        except KafkaError as error:
            raise StreamBroken(cannot_read(self._settings, error)) from error
        await asyncio.sleep(0)  # a broker that answers at once must not keep other tasks from running
        return found

    async def _finished(self, consumer: AIOKafkaConsumer, left: dict[TopicPartition, int]) -> bool:
        """Leaves partitions that are read to their end; whether there was one."""
        done = [tp for tp, end in left.items() if await consumer.position(tp) >= end]
        for tp in done:
            del left[tp]
            consumer.pause(tp)
        return bool(done)


async def read_record(settings: KafkaSettings, partition: Partition, offset: int) -> RawRecord | None:
    """The record at an offset; None when there is none. Raises StreamBroken."""
    async with Scan(settings, [partition.topic]) as scan:
        if partition not in scan.ends or not scan.begins[partition] <= offset < scan.ends[partition]:
            return None
    async with Scan(settings, [partition.topic], {partition: range(offset, offset + 1)}) as scan:
        async for batch in scan.batches():
            return batch[0]
    return None


def _raw(tp: TopicPartition, records: Iterable[Any]) -> list[RawRecord]:
    partition = Partition(tp.topic, tp.partition)
    return [RawRecord(partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers)) for r in records]
