"""Finishing one record of a partition that nobody owns, under its transactional id and its completion map."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import TopicPartition

from consumer.errors import AdvetError
from consumer.kafka.admin import admin_client
from consumer.kafka.committed import committed_coverage
from consumer.kafka.completion_map import WINDOW_OFFSETS, Coverage, encode
from consumer.kafka.connection import Consumer, client_options, topic_partition
from consumer.kafka.delivery import reached_nothing
from consumer.kafka.group import has_members
from consumer.kafka.ledger import PartitionLedger
from consumer.kafka.transactions import Transactions
from consumer.messages import Partition, RawRecord, Terminal
from consumer.settings import KafkaSettings

READ_SECONDS = 10.0


class TakeoverRefused(AdvetError):
    """The partition has an owner, or the record has its outcome; the message says what to do."""


class Takeover:
    """An owner for the length of one operation."""

    def __init__(self, tp: TopicPartition, consumer: Consumer, transactions: Transactions, coverage: Coverage) -> None:
        self._tp = tp
        self._consumer = consumer
        self._transactions = transactions
        self._coverage = coverage

    async def read(self, offset: int) -> RawRecord:
        """The record at `offset`; raises TakeoverRefused when it has its outcome or there is none."""
        if offset < self._coverage.low or offset in self._coverage.finished:
            raise TakeoverRefused(f"offset {offset} has its verdict or dead letter already")
        if offset >= self._coverage.low + WINDOW_OFFSETS:
            raise TakeoverRefused(f"offset {offset} is more than {WINDOW_OFFSETS} above the lowest unfinished one")
        end = (await self._consumer.end_offsets([self._tp]))[self._tp]
        if offset >= end:
            raise TakeoverRefused(f"{self._tp.topic}[{self._tp.partition}] ends at offset {end}")
        self._consumer.seek(self._tp, offset)
        async with asyncio.timeout(READ_SECONDS):
            read = await self._consumer.getone(self._tp)
        if read.offset != offset:
            raise TakeoverRefused(f"offset {offset} holds no record")
        partition = Partition(self._tp.topic, self._tp.partition)
        return RawRecord(partition, offset, read.timestamp, read.key, read.value, tuple(read.headers))

    async def finish(self, offset: int, terminal: Terminal) -> None:
        """Publishes the outcome and marks the record finished, in one transaction."""
        ledger = PartitionLedger(offset, self._coverage.finished)
        if offset == self._coverage.low:
            ledger.take(offset)
            low, finished = ledger.after([offset])
        else:
            low, finished = self._coverage.low, self._coverage.finished | {offset}
        await self._transactions.commit([terminal], low, encode(Coverage(low, finished)))


@asynccontextmanager
async def take_over(settings: KafkaSettings, partition: Partition) -> AsyncIterator[Takeover]:
    """Becomes the owner of a partition whose group has no members. Raises TakeoverRefused, KafkaError, TimeoutError."""
    tp = topic_partition(partition)
    consumer = Consumer(
        **client_options(settings),
        group_id=settings.group,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="none",
    )
    async with admin_client(settings) as admin:
        await consumer.start()
        transactions = Transactions(settings, tp, reached_nothing)
        try:
            if await has_members(settings, await admin.find_coordinator(settings.group)):
                raise TakeoverRefused(
                    f"group {settings.group} has members, and fencing the owner is not for this command: run it on the "
                    "owner's machine (or with its --admin-port); `advet skip` reaches the owner through its admin port"
                )
            consumer.assign([tp])
            await transactions.start()
            coverage = await committed_coverage(admin, transactions, settings.group, tp)
            if coverage is None:
                raise TakeoverRefused(f"group {settings.group} has committed nothing for {tp.topic}[{tp.partition}]")
            yield Takeover(tp, consumer, transactions, coverage)
        finally:
            await transactions.stop()
            await consumer.stop()
