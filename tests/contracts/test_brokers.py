"""What advet relies on in a broker, checked on the embedded one and on Apache Kafka alike.

The last part holds what the embedded broker gets wrong, so that a newer version that gets it right is noticed.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, NoOffsetForPartitionError
from aiokafka.structs import ConsumerRecord

DEADLINE_SECONDS = 60
_numbers = itertools.count()


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def bootstrap(request: pytest.FixtureRequest) -> str:
    """Each broker in turn."""
    fixture = {"embedded": "embedded_broker", "apache": "apache_kafka"}[request.param]
    address: str = request.getfixturevalue(fixture).bootstrap
    return address


def run(body: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine within the deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await body()

    asyncio.run(bounded())


async def new_topic(bootstrap: str, partitions: int = 1) -> str:
    """A topic of its own for each test."""
    name = f"contract-{next(_numbers)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, 1)])
        assert [code for _, code, *_ in answer.topic_errors] == [0]
    finally:
        await admin.close()
    return name


@asynccontextmanager
async def producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    """Acknowledged by all replicas, as advet publishes."""
    client = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def member(bootstrap: str, group: str, *topics: str, reset: str = "none") -> AsyncIterator[AIOKafkaConsumer]:
    """A group member that commits by hand."""
    client = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset=reset,
        isolation_level="read_committed", session_timeout_ms=3000, heartbeat_interval_ms=300,
    )  # fmt: skip
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def take(consumer: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
    """The next `count` records of all assigned partitions."""
    records: list[ConsumerRecord] = []
    while len(records) < count:
        for batch in (await consumer.getmany(timeout_ms=500)).values():
            records += batch
    return records


async def assigned(consumer: AIOKafkaConsumer, count: int) -> set[TopicPartition]:
    """Waits until the member owns `count` partitions."""
    while len(consumer.assignment()) != count:
        try:
            await consumer.getmany(timeout_ms=50)
        except NoOffsetForPartitionError:
            continue
    return set(consumer.assignment())


def test_record_comes_back_as_it_was_sent(bootstrap: str) -> None:
    """Key, value, repeated and empty headers, timestamp, tombstones, Chinese text; offsets count from 0."""

    async def body() -> None:
        topic = await new_topic(bootstrap)
        headers = [("h", b"1"), ("h", "广告".encode()), ("empty", b"")]
        async with producer(bootstrap) as out:
            sent = await out.send_and_wait(
                topic, "根治".encode(), b"key", headers=headers, timestamp_ms=1_700_000_000_123
            )
            gone = await out.send_and_wait(topic, None, b"key")
        assert (sent.offset, gone.offset) == (0, 1)
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as consumer:
            first, second = await take(consumer, 2)
        assert (first.key, first.value.decode(), first.timestamp) == (b"key", "根治", 1_700_000_000_123)
        assert list(first.headers) == headers
        assert (second.offset, second.value) == (1, None)

    run(body)


def test_next_member_continues_from_the_commit(bootstrap: str) -> None:
    """An explicit commit of one partition is what the next owner starts from, record for record."""

    async def body() -> None:
        topic = await new_topic(bootstrap)
        partition = TopicPartition(topic, 0)
        async with producer(bootstrap) as out:
            for number in range(10):
                await out.send_and_wait(topic, b"%d" % number)
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as consumer:
            await take(consumer, 10)
            await consumer.commit({partition: OffsetAndMetadata(4, "")})
            assert await consumer.committed(partition) == 4
        async with member(bootstrap, f"g-{topic}", topic) as consumer:
            assert [record.offset for record in await take(consumer, 6)] == [4, 5, 6, 7, 8, 9]

    run(body)


def test_a_commit_may_go_back(bootstrap: str) -> None:
    """The low watermark of another owner may be lower; the broker keeps what it is told last."""

    async def body() -> None:
        topic = await new_topic(bootstrap)
        partition = TopicPartition(topic, 0)
        async with producer(bootstrap) as out:
            for _ in range(5):
                await out.send_and_wait(topic, b"x")
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as consumer:
            await take(consumer, 5)
            await consumer.commit({partition: 5})
            await consumer.commit({partition: 2})
            assert await consumer.committed(partition) == 2

    run(body)


def test_group_without_commit_is_told_so(bootstrap: str) -> None:
    """`none` as reset policy raises instead of jumping; `committed` says None; seek to the beginning works."""

    async def body() -> None:
        topic = await new_topic(bootstrap)
        async with producer(bootstrap) as out:
            await out.send_and_wait(topic, b"x")
        async with member(bootstrap, f"g-{topic}", topic) as consumer:
            (partition,) = await assigned(consumer, 1)
            assert await consumer.committed(partition) is None
            with pytest.raises(NoOffsetForPartitionError):
                await take(consumer, 1)
            begin = await consumer.beginning_offsets([partition])
            consumer.seek(partition, begin[partition])
            assert [record.value for record in await take(consumer, 1)] == [b"x"]

    run(body)


def test_seek_between_single_records(bootstrap: str) -> None:
    """A seek into the middle of the log starts exactly there."""

    async def body() -> None:
        topic = await new_topic(bootstrap)
        async with producer(bootstrap) as out:
            for number in range(6):
                await out.send_and_wait(topic, b"%d" % number)
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as consumer:
            await take(consumer, 6)
            consumer.seek(TopicPartition(topic, 0), 3)
            assert [record.value for record in await take(consumer, 3)] == [b"3", b"4", b"5"]

    run(body)


def test_paused_partition_gives_nothing_until_resumed(bootstrap: str) -> None:
    """Backpressure: the member stays, other partitions flow, nothing is skipped."""

    async def body() -> None:
        topic = await new_topic(bootstrap, 2)
        async with producer(bootstrap) as out:
            for partition in (0, 1):
                await out.send_and_wait(topic, b"%d" % partition, partition=partition)
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as consumer:
            while not consumer.assignment():
                await consumer.getmany(TopicPartition("nowhere", 0), timeout_ms=20)
            consumer.pause(TopicPartition(topic, 0))
            assert [record.value for record in await take(consumer, 1)] == [b"1"]
            assert await consumer.getmany(timeout_ms=300) == {}
            consumer.resume(TopicPartition(topic, 0))
            assert [record.value for record in await take(consumer, 1)] == [b"0"]

    run(body)


def test_second_member_takes_over_partitions(bootstrap: str) -> None:
    """A join splits the partitions; a leave gives them back."""

    async def body() -> None:
        topic = await new_topic(bootstrap, 4)
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as first:
            await assigned(first, 4)
            async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as second:
                one, two = await asyncio.gather(assigned(first, 2), assigned(second, 2))
                assert not one & two
            await assigned(first, 4)

    run(body)


def test_end_offset_counts_records_sent_one_by_one(bootstrap: str) -> None:
    """Lag is end minus committed; the position after reading all is the end."""

    async def body() -> None:
        topic = await new_topic(bootstrap)
        partition = TopicPartition(topic, 0)
        async with producer(bootstrap) as out:
            for _ in range(7):
                await out.send_and_wait(topic, b"x")
        async with member(bootstrap, f"g-{topic}", topic, reset="earliest") as consumer:
            await take(consumer, 7)
            assert (await consumer.end_offsets([partition]))[partition] == 7
            assert await consumer.position(partition) == 7
            assert consumer.highwater(partition) == 7

    run(body)


async def _batch(bootstrap: str) -> TopicPartition:
    """A topic whose ten records arrived in one batch."""
    topic = await new_topic(bootstrap)
    async with producer(bootstrap) as out:
        batch = out.create_batch()
        for number in range(10):
            assert batch.append(key=None, value=b"%d" % number, timestamp=1_700_000_000_000 + number) is not None
        batch.close()
        await (await out.send_batch(batch, topic, partition=0))
    return TopicPartition(topic, 0)


def test_batches_are_read_record_by_record(bootstrap: str) -> None:
    """Records of one batch have their own offsets, and highwater counts records (`end_offsets` may not)."""

    async def body() -> None:
        partition = await _batch(bootstrap)
        async with member(bootstrap, f"g-{partition.topic}", partition.topic, reset="earliest") as consumer:
            assert [record.offset for record in await take(consumer, 10)] == list(range(10))
            assert consumer.highwater(partition) == 10
            consumer.seek(partition, 6)
            assert [record.offset for record in await take(consumer, 4)] == [6, 7, 8, 9]

    run(body)


def test_end_offsets_of_a_batch(request: pytest.FixtureRequest, bootstrap: str) -> None:
    """Known fault of the embedded broker: `end_offsets` counts batches, so lag there needs highwater."""
    embedded = "embedded" in request.node.callspec.id

    async def body() -> None:
        partition = await _batch(bootstrap)
        async with member(bootstrap, f"g-{partition.topic}", partition.topic, reset="earliest") as consumer:
            await take(consumer, 10)
            assert (await consumer.end_offsets([partition]))[partition] == (1 if embedded else 10)

    run(body)


def test_commit_metadata(request: pytest.FixtureRequest, bootstrap: str) -> None:
    """Known fault of the embedded broker: the metadata of a commit is lost."""
    embedded = "embedded" in request.node.callspec.id

    async def body() -> None:
        partition = await _batch(bootstrap)
        async with member(bootstrap, f"g-{partition.topic}", partition.topic, reset="earliest") as consumer:
            await take(consumer, 10)
            await consumer.commit({partition: OffsetAndMetadata(3, "map")})
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(f"g-{partition.topic}", partitions=[partition])
        finally:
            await admin.close()
        assert offsets[partition] == OffsetAndMetadata(3, "" if embedded else "map")

    run(body)


def test_transactions(request: pytest.FixtureRequest, bootstrap: str) -> None:
    """Known fault of the embedded broker: no transactional producer, hence no exactly-once."""
    embedded = "embedded" in request.node.callspec.id

    async def body() -> None:
        topic = await new_topic(bootstrap)
        client = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=f"t-{topic}", request_timeout_ms=3000)
        outcome = "committed"
        try:
            async with asyncio.timeout(6):
                await client.start()
                async with client.transaction():
                    await client.send_and_wait(topic, b"x")
        except (KafkaError, TimeoutError):
            outcome = "refused"
        finally:
            await client.stop()
        assert outcome == ("refused" if embedded else "committed")

    run(body)
