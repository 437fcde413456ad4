"""One transactional producer, with a limit on every wait and its failures told apart.

aiokafka waits without limits and retries silently, commits after a failed send, and shows fencing in four
different ways; this is the boundary where that ends. After any failure the producer is thrown away.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    ProducerFenced,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    UnsupportedVersionError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import StartRefused
from consumer.kafka.connection import AIOKAFKA, BATCH_BYTES, Clients, client_options
from consumer.kafka.delivery import MustRejoin, Reached, reached_nothing
from consumer.messages import Terminal
from consumer.settings import KafkaSettings

TRANSACTION_SECONDS = 15.0
"""The broker ends a transaction after this time; one lives only for a publish."""
PUBLISH_SECONDS = 12.0
"""Our own limit for a whole transaction, below the broker's."""
STOP_SECONDS = 2.0
ID_PREFIX = "advet"
_PARTITIONER = DefaultPartitioner()
"""The same partition for a key as every default producer."""
_FENCED = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, AssertionError)


class Transactions:
    """Transactions of one input partition, under `<app>.<group>.<topic>.<partition>`."""

    def __init__(
        self,
        settings: KafkaSettings,
        tp: TopicPartition,
        reached: Reached,
        clients: Clients = AIOKAFKA,
        identity: str | None = None,
    ) -> None:
        """`identity` is the transactional id where it is not that of the partition's owner in `settings.group`."""
        self._settings = settings
        self._tp = tp
        self._reached = reached
        # aiokafka sends a request again that was not answered in time, under the same epoch: the first EndTxn could
        # then arrive late and end the *next* transaction (KAFKA-17754). So our own limit comes first.
        request_seconds = max(settings.request_timeout_seconds, TRANSACTION_SECONDS + 1)
        self._producer = clients.producer(
            **client_options(settings) | {"request_timeout_ms": int(request_seconds * 1000)},
            transactional_id=identity or transactional_id(settings.group, tp),
            transaction_timeout_ms=int(TRANSACTION_SECONDS * 1000),
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=settings.largest_output_bytes,
        )

    async def start(self) -> None:
        """Connects and ends the transaction of any earlier owner. Raises KafkaError or TimeoutError."""
        async with asyncio.timeout(TRANSACTION_SECONDS):
            await self._producer.start()

    async def barrier(self) -> None:
        """After it, the group's coordinator answers with every commit that was acknowledged before.

        A new coordinator serves old offsets for a while; an acknowledged write proves that it has caught up, and
        the abort leaves no trace.
        """
        async with asyncio.timeout(PUBLISH_SECONDS):
            try:
                await self._producer.begin_transaction()
                await self._producer.send_offsets_to_transaction(
                    {self._tp: OffsetAndMetadata(0, "barrier")}, self._settings.group
                )
                await self._producer.abort_transaction()
            except _FENCED as error:
                raise MustRejoin(f"{self._tp}: another owner is activating it") from error

    async def commit(self, terminals: Sequence[Terminal], low: int, metadata: str) -> None:
        """All records and the offset, or none of them.

        Raises MustRejoin when another owner has taken over; KafkaError or TimeoutError when the outcome is unknown.
        """
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._producer.begin_transaction()
                await self._reached("begun")
                await self._send(terminals)
                await self._reached("sent")
                await self._producer.send_offsets_to_transaction(
                    {self._tp: OffsetAndMetadata(low, metadata)}, self._settings.group
                )
                await self._reached("offsets_sent")
                ending = asyncio.ensure_future(self._producer.commit_transaction())
                await self._reached("ending")
                await ending
                await self._reached("committed")
        except _FENCED as error:
            raise MustRejoin(f"{self._tp}: fenced: another owner publishes for it") from error

    async def _send(self, terminals: Sequence[Terminal]) -> None:
        sent: list[asyncio.Future[object]] = []
        try:
            records = [record for terminal in terminals for record in (terminal, *terminal.beside)]
            await self._send_batches(records, sent)
        except BaseException:
            for unheard in sent:
                unheard.add_done_callback(_noticed)
            raise
        # Every one is awaited: aiokafka would commit although a send has failed.
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send_batches(self, terminals: Sequence[Terminal], sent: list[asyncio.Future[object]]) -> None:
        """In whole batches: aiokafka gives each record that is sent alone a coroutine, a future and a wakeup."""
        topics = {terminal.topic for terminal in terminals}
        partitions = {topic: sorted(await self._producer.partitions_for(topic)) for topic in topics}
        batches: dict[tuple[str, int], Any] = {}
        for terminal in terminals:
            numbers = partitions[terminal.topic]
            place = topic, number = terminal.topic, _PARTITIONER(terminal.key, numbers, numbers)
            batch = batches.get(place)
            if batch is None or not _appended(batch, terminal):
                if batch is not None:  # it is full
                    sent.append(await self._producer.send_batch(batch, topic, partition=number))
                batch = batches[place] = self._producer.create_batch()
                _appended(batch, terminal)
        for (topic, number), batch in batches.items():
            sent.append(await self._producer.send_batch(batch, topic, partition=number))

    async def stop(self) -> None:
        """Gives up whatever is under way; the next owner's start ends it at the broker."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._producer.stop()
        except (TimeoutError, KafkaError, *_FENCED):
            return


def _appended(batch: Any, terminal: Terminal) -> bool:
    """False when the batch is full; an empty one takes any record."""
    added = batch.append(timestamp=None, key=terminal.key, value=terminal.value, headers=list(terminal.headers))
    return added is not None


def _noticed(outcome: asyncio.Future[object]) -> None:
    """Else asyncio writes a stack trace for each batch that failed along with the one whose error is raised."""
    if not outcome.cancelled():
        outcome.exception()


def transactional_id(group: str, tp: TopicPartition) -> str:
    """One id per input partition, whoever owns it: a new owner fences the old one."""
    return f"{ID_PREFIX}.{group}.{tp.topic}.{tp.partition}"


async def prove_transactions(settings: KafkaSettings) -> None:
    """Tries an id that no partition uses. Raises StartRefused when the broker cannot do transactions, or may not."""
    trial = Transactions(settings, TopicPartition("start-check", 0), reached_nothing)
    try:
        await trial.start()
    except (UnknownError, UnsupportedVersionError) as error:
        raise StartRefused(
            f"the broker at {settings.bootstrap} cannot do transactions ({error!r}): exactly_once is not possible on "
            'it. Set delivery = "at_least_once", or use Apache Kafka'
        ) from error
    except TransactionalIdAuthorizationFailed as error:
        raise StartRefused(
            "no right to transactional ids: grant Write and Describe on those that begin with "
            f"{ID_PREFIX}.{settings.group}."
        ) from error
    except (KafkaError, TimeoutError, OSError) as error:
        raise StartRefused(f"no transactional producer could be started at {settings.bootstrap}: {error!r}") from error
    finally:
        await trial.stop()
