"""What a replay writes, and its reading position: both in one transaction, or neither.

One transactional id for each partition of dead letters, whoever replays from it: a newer run fences the older. The
position is that of a consumer group of the run's own.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import StreamBroken
from consumer.kafka.admin import admin_client
from consumer.kafka.connection import Consumer, client_options, topic_partition
from consumer.kafka.delivery import MustRejoin, Reached, reached_nothing
from consumer.kafka.group import COORDINATOR_PAUSES_SECONDS
from consumer.kafka.transactions import ID_PREFIX, Transactions
from consumer.messages import Partition, Terminal
from consumer.settings import KafkaSettings, Settings

WRITE_SECONDS = 30.0


class Overtaken(StreamBroken):
    """Another run, or `advet dlq cancel`, has taken over a partition; nothing of this batch was sent."""

    def __init__(self, partition: Partition) -> None:
        super().__init__(f"another operator has taken over {partition.topic}[{partition.number}]")
        self.partition = partition


class ReplayWriter(Protocol):
    """`async with writer`: from then on no older run writes for these partitions."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def positions(self) -> Mapping[Partition, int]:
        """Where earlier processes of this run stopped reading; nothing for partitions they never reached."""
        ...

    async def commit(self, partition: Partition, records: Sequence[Terminal], position: int) -> None:
        """Sends the records and moves the position. Raises Overtaken, or StreamBroken when the outcome is unknown."""
        ...


class TransactionalWriter:
    """`delivery = exactly_once`."""

    def __init__(
        self, settings: KafkaSettings, group: str, partitions: Iterable[Partition], reached: Reached = reached_nothing
    ) -> None:
        self._settings = settings.model_copy(update={"group": group})
        self._transactions = {p: self._open(p, reached) for p in partitions}

    def _open(self, partition: Partition, reached: Reached) -> Transactions:
        tp = topic_partition(partition)
        return Transactions(self._settings, tp, reached, identity=transactional_id(partition))

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(transactions.start() for transactions in self._transactions.values()))
        except (KafkaError, TimeoutError, OSError) as error:
            await self._stop()
            raise StreamBroken(
                f"no transactional producer could be started at {self._settings.bootstrap} ({error!r}): this needs "
                f"Write on transactional ids with the prefix {ID_PREFIX}.replay., and a broker with transactions"
            ) from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(transactions.stop() for transactions in self._transactions.values()))

    async def positions(self) -> Mapping[Partition, int]:
        """Asks the coordinator that has just acknowledged a write, for a new one may serve old positions."""
        async with admin_client(self._settings) as admin:
            for pause_seconds in (*COORDINATOR_PAUSES_SECONDS, None):
                try:
                    return await self._positions(admin)
                except (KafkaError, TimeoutError) as error:
                    if pause_seconds is None:
                        raise StreamBroken(f"the run's position cannot be read ({error!r}): try again") from error
                    await asyncio.sleep(pause_seconds)
        raise AssertionError("the last attempt returns or raises")

    async def _positions(self, admin: AIOKafkaAdminClient) -> Mapping[Partition, int]:
        wanted = {topic_partition(p): p for p in self._transactions}
        coordinator = await admin.find_coordinator(self._settings.group)
        for partition, transactions in self._transactions.items():
            await self._barrier(partition, transactions)
        found: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
            self._settings.group, group_coordinator_id=coordinator, partitions=list(wanted)
        )
        if missing := wanted.keys() - found.keys():
            raise TimeoutError(f"the coordinator gave no answer for {missing.pop()}: it may be moving")
        return {wanted[tp]: position.offset for tp, position in found.items() if position.offset >= 0}

    async def _barrier(self, partition: Partition, transactions: Transactions) -> None:
        try:
            await transactions.barrier()
        except MustRejoin as error:
            raise Overtaken(partition) from error

    async def commit(self, partition: Partition, records: Sequence[Terminal], position: int) -> None:
        """One transaction."""
        try:
            await self._transactions[partition].commit(records, position, "")
        except MustRejoin as error:
            raise Overtaken(partition) from error
        except (KafkaError, TimeoutError, OSError) as error:
            raise StreamBroken(f"the brokers did not confirm a batch ({error!r}); resuming finds out") from error


class PlainWriter:
    """`delivery = at_least_once`: after a crash up to a batch is sent twice, and nobody is fenced."""

    def __init__(self, settings: KafkaSettings, group: str, partitions: Iterable[Partition]) -> None:
        self._settings = settings
        self._group = group
        self._partitions = tuple(partitions)
        self._producer: AIOKafkaProducer
        self._consumer: Consumer

    async def __aenter__(self) -> Self:
        options = client_options(self._settings)
        limit = self._settings.largest_output_bytes
        self._producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=False, max_request_size=limit)
        self._consumer = Consumer(**options, group_id=self._group, enable_auto_commit=False)
        self._consumer.assign([topic_partition(p) for p in self._partitions])
        try:
            await self._producer.start()
            await self._consumer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            await self._stop()
            raise StreamBroken(f"no producer could be started at {self._settings.bootstrap} ({error!r})") from error
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await self._producer.stop()
        await self._consumer.stop()

    async def positions(self) -> Mapping[Partition, int]:
        """The group's commits."""
        found = {p: await self._consumer.committed(topic_partition(p)) for p in self._partitions}
        return {partition: position for partition, position in found.items() if position is not None}

    async def commit(self, partition: Partition, records: Sequence[Terminal], position: int) -> None:
        """Sends, waits, then commits."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                sent = [await self._producer.send(r.topic, r.value, r.key, headers=list(r.headers)) for r in records]
                await asyncio.gather(*sent)
                await self._consumer.commit({topic_partition(partition): position})
        except (KafkaError, TimeoutError, OSError) as error:
            raise StreamBroken(f"the broker did not confirm a batch ({error!r}); resuming may send it twice") from error


def transactional_id(partition: Partition) -> str:
    """The same for every run, so that a newer one fences the older."""
    return f"{ID_PREFIX}.replay.{partition.topic}.{partition.number}"


def open_writer(
    settings: Settings, group: str, partitions: Iterable[Partition], reached: Reached = reached_nothing
) -> ReplayWriter:
    """As `delivery` promises. Call it inside the event loop."""
    if settings.delivery == "at_least_once":
        return PlainWriter(settings.kafka, group, partitions)
    return TransactionalWriter(settings.kafka, group, partitions, reached)
