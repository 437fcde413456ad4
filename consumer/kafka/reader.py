"""Reads verdicts and dead letters, independent of the consumer: no group, committed records only.

Used by `advet tail` and by the demo's check that every submission ended exactly once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from consumer.errors import StreamBroken
from consumer.kafka.connection import independent_consumer
from consumer.settings import Settings
from schemas import AdVerdict, DeadLetter, RecordOrigin
from schemas.codec import VerdictMalformed, parse_verdict
from schemas.foreign_letters import LetterUnreadable
from schemas.headers import read_dead_letter

POLL_MS = 200
POSITION_SECONDS = 15.0
IDLE_SECONDS = 1.5
"""Silence after which the end is taken as reached. Not every broker's end offsets can be trusted, its silence can."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of an output topic that is neither a verdict nor a dead letter; `why` is for people."""

    why: str


@dataclass(frozen=True, slots=True)
class Output:
    """One record of an output topic. `key` is the submission's id for every record of advet."""

    key: str
    origin: RecordOrigin
    timestamp_ms: int
    item: AdVerdict | DeadLetter | Unreadable


class OutcomeReader:
    """`async with OutcomeReader(settings, from_beginning=…) as reader`, then `outputs`.

    The position is fixed when the block is entered: nothing that is written later is missed.
    """

    def __init__(self, settings: Settings, *, from_beginning: bool) -> None:
        self._settings = settings
        self._from_beginning = from_beginning
        self._consumer: AIOKafkaConsumer | None = None
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        topics = self._settings.topics
        outputs = topics.verdicts, topics.oom_dead_letters, topics.dead_letters
        async with AsyncExitStack() as opening:
            self._consumer = await opening.enter_async_context(independent_consumer(self._settings.kafka, *outputs))
            if not self._from_beginning:
                await _seek_behind_the_last(self._consumer)
            self._open = opening.pop_all()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._consumer = None
        await self._open.aclose()

    async def outputs(self, *, follow: bool) -> AsyncIterator[Output]:
        """Every record from the position on; without `follow`, ends after a while of silence at the end.

        Raises StreamBroken when the broker fails.
        """
        heard = time.monotonic()
        while follow or time.monotonic() - heard < IDLE_SECONDS:
            for output in await self.poll(POLL_MS):
                heard = time.monotonic()
                yield output

    async def poll(self, wait_ms: int) -> Sequence[Output]:
        """The records that arrive within `wait_ms`, maybe none; raises StreamBroken."""
        if self._consumer is None:
            raise StreamBroken("the reader is closed")
        try:
            batches = await self._consumer.getmany(timeout_ms=wait_ms)
        except KafkaError as error:
            raise StreamBroken(f"reading verdicts failed: {error}") from error
        await asyncio.sleep(0)  # a broker that answers at once must not keep other tasks from running
        return [self._output(record) for records in batches.values() for record in records]

    def _output(self, record: Any) -> Output:
        origin = RecordOrigin(topic=record.topic, partition=record.partition, offset=record.offset)
        key = record.key.decode("utf-8", "replace") if record.key is not None else ""
        return Output(key, origin, record.timestamp, self._item(record))

    def _item(self, record: Any) -> AdVerdict | DeadLetter | Unreadable:
        try:
            if record.topic == self._settings.topics.verdicts:
                return parse_verdict(record.value or b"")
            return read_dead_letter(record.headers)
        except (VerdictMalformed, LetterUnreadable) as error:
            return Unreadable(str(error))


async def _seek_behind_the_last(consumer: AIOKafkaConsumer) -> None:
    """To the end of every partition as a fetch reports it: a broker's list of end offsets may count batches."""
    partitions = consumer.assignment()
    await consumer.seek_to_beginning(*partitions)
    deadline = time.monotonic() + POSITION_SECONDS
    while unknown := [partition for partition in partitions if consumer.highwater(partition) is None]:
        if time.monotonic() > deadline:
            raise StreamBroken(f"the broker does not answer for {unknown[0].topic} {unknown[0].partition}")
        await consumer.getmany(timeout_ms=POLL_MS)
    for partition in partitions:
        consumer.seek(partition, consumer.highwater(partition))
