"""What is seen of a group from outside, on the embedded broker and on Apache Kafka; there against its own tool."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from consumer.kafka.admin import admin_client
from consumer.kafka.completion_map import Coverage, encode
from consumer.kafka.group_lag import GroupSight, looking_at
from consumer.kafka.topics import apply, make_plan
from consumer.lag.figures import assigned_partitions, partition_lags
from consumer.settings import Settings
from tests.kafka_tool import ConsumerGroups

DEADLINE_SECONDS = 60


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def settings(request: pytest.FixtureRequest) -> Settings:
    """Two partitions of a topic of its own, on each broker in turn."""
    fixture = {"embedded": "embedded_broker", "apache": "apache_kafka"}[request.param]
    return prepared(request.getfixturevalue(fixture).bootstrap)


@pytest.fixture
def on_apache(apache_kafka) -> Settings:
    """The same on Apache Kafka only, for what the embedded broker does not have."""
    return prepared(apache_kafka.bootstrap)


def prepared(bootstrap: str, partitions: int = 2) -> Settings:
    tag = uuid.uuid4().hex[:8]
    settings = Settings.model_validate(
        {
            "kafka": {"bootstrap": bootstrap, "group": f"g-{tag}"},
            "topics": {name: f"{name}-{tag}" for name in type(Settings().topics).model_fields},
        }
    )

    async def create() -> None:
        async with admin_client(settings.kafka) as admin:
            await apply(admin, await make_plan(admin, settings, partitions))

    asyncio.run(create())
    return settings


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await body()

    asyncio.run(bounded())


async def send(settings: Settings, partition: int, count: int, timestamp_ms: int | None = None) -> None:
    """Each record in a batch of its own: one broker counts batches."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap, acks="all")
    await producer.start()
    try:
        for number in range(count):
            await producer.send_and_wait(
                settings.topics.submissions, b"%d" % number, partition=partition, timestamp_ms=timestamp_ms
            )
    finally:
        await producer.stop()


async def commit(settings: Settings, partition: int, offset: int, metadata: str = "") -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap, group_id=settings.kafka.group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        tp = TopicPartition(settings.topics.submissions, partition)
        consumer.assign([tp])
        await consumer.commit({tp: OffsetAndMetadata(offset, metadata)})
    finally:
        await consumer.stop()


async def transaction(settings: Settings, partition: int, count: int, *, abort: bool = False) -> None:
    async with looking_at(settings) as looking:
        before = (await looking.group([partition])).partitions[0].gaps
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap, transactional_id=uuid.uuid4().hex)
        await producer.start()
        try:
            await producer.begin_transaction()
            for number in range(count):
                await producer.send_and_wait(settings.topics.submissions, b"%d" % number, partition=partition)
            await (producer.abort_transaction() if abort else producer.commit_transaction())
        finally:
            await producer.stop()
        while (await looking.group([partition])).partitions[0].gaps == before:
            pass  # the marker is written a little after the producer's answer


async def look(settings: Settings) -> GroupSight:
    async with looking_at(settings) as looking:
        return await looking.group()


def left(sight: GroupSight) -> list[int]:
    """Remaining records of each partition."""
    return [p.remaining for p in partition_lags(sight, assigned_partitions(sight), {})]


def test_without_commits_everything_is_left_and_aged_from_its_first_record(settings: Settings) -> None:
    async def body() -> None:
        sent_ms = int(time.time() * 1000) - 5_000
        await send(settings, 0, 3, timestamp_ms=sent_ms)
        sight = await look(settings)
        assert left(sight) == [3, 0]
        assert [p.oldest_ms for p in sight.partitions] == [sent_ms, None]
        assert [p.committed for p in sight.partitions] == [False, False]
        assert sight.group.members == ()

    run(body)


def test_a_commit_moves_the_oldest_record(settings: Settings) -> None:
    async def body() -> None:
        for sent_ms in (1_000_000, 2_000_000, 3_000_000):
            await send(settings, 1, 1, timestamp_ms=sent_ms)
        await commit(settings, 1, 1)
        sight = await look(settings)
        assert left(sight) == [0, 2]
        assert sight.partitions[1].oldest_ms == 2_000_000
        await commit(settings, 1, 3)
        sight = await look(settings)
        assert left(sight) == [0, 0]
        assert sight.partitions[1].oldest_ms is None

    run(body)


def test_members_and_their_partitions(settings: Settings, request: pytest.FixtureRequest) -> None:
    async def body() -> None:
        await send(settings, 0, 1)
        consumer = AIOKafkaConsumer(
            settings.topics.submissions,
            bootstrap_servers=settings.kafka.bootstrap,
            group_id=settings.kafka.group,
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            while not consumer.assignment():
                await consumer.getmany(timeout_ms=50)
            sight = await look(settings)
            assert len(sight.group.members) == 1
            # the embedded broker does not say who owns what
            expected = [0, 1] if "apache" in request.node.name else []
            assert [p.number for p in sight.group.members[0].partitions] == expected
        finally:
            await consumer.stop()

    run(body)


def test_one_connection_sees_what_comes_and_goes(settings: Settings) -> None:
    async def body() -> None:
        async with looking_at(settings) as looking:
            for expected in range(3):
                assert left(await looking.group()) == [expected, 0]
                await send(settings, 0, 1)
            await commit(settings, 0, 3)
            assert left(await looking.group()) == [0, 0]
            assert [p.partition.number for p in (await looking.group({1, 7})).partitions] == [1]

    run(body)


def test_news_are_told_once_and_only_the_last_are_read_at_first(settings: Settings) -> None:
    async def body() -> None:
        await send(settings, 0, 5)
        async with looking_at(settings) as looking:
            topic = (await looking.topics([settings.topics.submissions]))[settings.topics.submissions]
            told = [record.offset async for record in looking.news(topic, 2)]
            assert told == [3, 4]
            await send(settings, 1, 1)
            assert [record.partition.number async for record in looking.news(topic, 2)] == [1]
            assert [record async for record in looking.news(topic, 2)] == []

    run(body)


@pytest.mark.kafka
def test_figures_are_those_of_kafkas_own_tool_without_the_finished(
    on_apache: Settings, consumer_groups: ConsumerGroups
) -> None:
    async def body() -> None:
        await send(on_apache, 0, 10)
        await send(on_apache, 1, 7)
        await commit(on_apache, 0, 2, encode(Coverage(2, frozenset({3, 5, 9}))))
        await commit(on_apache, 1, 7)

    run(body)
    sight = asyncio.run(look(on_apache))
    lags = partition_lags(sight, frozenset(), {})
    assert {lag.partition.number: lag.offsets for lag in lags} == consumer_groups.lag(on_apache) == {0: 8, 1: 0}
    assert [lag.remaining for lag in lags] == [8 - 3, 0]
    assert sight.partitions[0].oldest_ms is not None


@pytest.mark.kafka
def test_records_that_are_finished_ahead_are_passed(on_apache: Settings) -> None:
    """The committed offset may be a marker, so that the record behind it is finished already."""

    async def body() -> None:
        await transaction(on_apache, 0, 1)  # offset 0, marker at 1
        for sent_ms in (2_000, 3_000, 4_000):
            await send(on_apache, 0, 1, timestamp_ms=sent_ms)
        await commit(on_apache, 0, 1, encode(Coverage(1, frozenset({2, 3}))))
        sight = await look(on_apache)
        assert left(sight) == [1, 0]
        assert sight.partitions[0].oldest_ms == 4_000

    run(body)


@pytest.mark.kafka
def test_markers_and_aborted_records_are_no_records(on_apache: Settings, consumer_groups: ConsumerGroups) -> None:
    async def body() -> None:
        await transaction(on_apache, 0, 2)
        await transaction(on_apache, 0, 3, abort=True)
        assert left(await look(on_apache)) == [2, 0]
        await commit(on_apache, 0, 2)  # behind the last record, before the marker
        sight = await look(on_apache)
        assert left(sight) == [0, 0]
        assert sight.partitions[0].oldest_ms is None

    run(body)
    assert consumer_groups.lag(on_apache) == {0: 5}, "their tool counts markers, and so does our figure for comparison"
    assert partition_lags(asyncio.run(look(on_apache)), frozenset(), {})[0].offsets == 5


@pytest.mark.kafka
def test_an_open_transaction_counts_and_does_not_hang(on_apache: Settings) -> None:
    async def body() -> None:
        await send(on_apache, 0, 1)
        producer = AIOKafkaProducer(bootstrap_servers=on_apache.kafka.bootstrap, transactional_id=uuid.uuid4().hex)
        await producer.start()
        await producer.begin_transaction()
        await producer.send_and_wait(on_apache.topics.submissions, b"open", partition=0)
        try:
            assert left(await look(on_apache)) == [2, 0]
        finally:
            await producer.abort_transaction()
            await producer.stop()
        assert left(await look(on_apache)) == [1, 0]

    run(body)


@pytest.mark.kafka
def test_an_added_partition_is_seen_at_the_next_look(on_apache: Settings) -> None:
    async def body() -> None:
        async with looking_at(on_apache) as looking:
            assert left(await looking.group()) == [0, 0]
            admin = AIOKafkaAdminClient(bootstrap_servers=on_apache.kafka.bootstrap)
            await admin.start()
            await admin.create_partitions({on_apache.topics.submissions: NewPartitions(3)})
            await admin.close()
            await send(on_apache, 2, 4)
            assert left(await looking.group()) == [0, 0, 4]

    run(body)


@pytest.mark.kafka
def test_a_position_that_lies_outside_is_shown_as_it_is(on_apache: Settings) -> None:
    """A topic that was made anew under its old name, and records that retention has deleted."""

    async def body() -> None:
        from aiokafka.admin import RecordsToDelete

        await send(on_apache, 0, 3)
        await commit(on_apache, 0, 9)
        await send(on_apache, 1, 5)
        await commit(on_apache, 1, 1)
        admin = AIOKafkaAdminClient(bootstrap_servers=on_apache.kafka.bootstrap)
        await admin.start()
        await admin.delete_records({TopicPartition(on_apache.topics.submissions, 1): RecordsToDelete(before_offset=4)})
        await admin.close()
        sight = await look(on_apache)
        beyond, deleted = partition_lags(sight, frozenset(), {})
        assert (beyond.remaining, beyond.offsets, beyond.oldest_at_seconds) == (0, 0, None)
        assert (deleted.remaining, deleted.offsets, deleted.lost) == (1, 4, 3)

    run(body)


@pytest.mark.kafka
def test_metadata_of_another_version_is_said(on_apache: Settings) -> None:
    async def body() -> None:
        await send(on_apache, 0, 3)
        await commit(on_apache, 0, 1, "advet9 what")
        sight = await look(on_apache)
        assert left(sight) == [2, 0]
        assert [p.map_unreadable for p in sight.partitions] == [True, False]

    run(body)
