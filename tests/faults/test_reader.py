"""The judge of all fault tests can say no: each kind of violation, made by hand."""

import asyncio
import json
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.kafka.completion_map import Coverage, encode
from consumer.settings import Settings
from tests.faults.reader import Reader
from tests.rig import Rig, submission, wait_for

pytestmark = pytest.mark.kafka
MakeRig = Callable[..., Rig]


@pytest.fixture
def rig(make_rig: MakeRig) -> Rig:
    """One partition, eight records of one ad."""
    rig = make_rig(1)
    rig.produce(submission(1, revision=n) for n in range(8))
    return rig


def judge(settings: Settings, *offsets: int, abort: bool = False) -> None:
    """Verdicts as a consumer would write them, in this order, in one transaction."""

    async def write() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap, transactional_id="by-hand") as producer:
            await producer.begin_transaction()
            for offset in offsets:
                value = json.dumps({"origin": {"partition": 0, "offset": offset}}).encode()
                await producer.send_and_wait(settings.topics.verdicts, value, b"s-1", partition=0)
            await (producer.abort_transaction() if abort else producer.commit_transaction())

    asyncio.run(write())


def commit(settings: Settings, *coverages: Coverage) -> None:
    """The group's commits, one after another."""

    async def write() -> None:
        kafka = settings.kafka
        async with AIOKafkaConsumer(
            bootstrap_servers=kafka.bootstrap, group_id=kafka.group, enable_auto_commit=False
        ) as client:
            for coverage in coverages:
                tp = TopicPartition(settings.topics.submissions, 0)
                client.assign([tp])
                await client.commit({tp: OffsetAndMetadata(coverage.low, encode(coverage))})

    asyncio.run(write())


def test_all_is_well(rig: Rig) -> None:
    """Aborted verdicts do not count; out of order within the map is fine."""
    with Reader(rig.settings) as reader:
        judge(rig.settings, 0, 1, 2, abort=True)
        judge(rig.settings, *range(8))
        commit(rig.settings, Coverage(2, frozenset({4, 5})), Coverage(3, frozenset({4, 5, 6})), Coverage(8))
        wait_for(lambda: reader.complete(8))
        reader.check()
        assert reader.commits == 3


def test_a_second_outcome_is_seen(rig: Rig) -> None:
    with Reader(rig.settings) as reader:
        judge(rig.settings, *range(8), 7)
        wait_for(lambda: reader.violations)
        with pytest.raises(AssertionError, match="several outcomes"):
            reader.complete(8)


def test_a_missing_outcome_is_seen(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.reader.SETTLE_SECONDS", 3.0)
    with Reader(rig.settings) as reader:
        judge(rig.settings, 0, 1, 2, 4, 5, 6, 7)
        commit(rig.settings, Coverage(8))
        wait_for(lambda: len(reader.outcomes) == 7)
        assert not reader.complete(8)
        with pytest.raises(AssertionError, match=r"missing \[\(0, 3\)\]"):
            reader.check()


def test_a_broken_order_is_seen(rig: Rig) -> None:
    with Reader(rig.settings) as reader:
        judge(rig.settings, 0, 2, 1)
        wait_for(lambda: reader.violations)
        with pytest.raises(AssertionError, match="came after offset 2"):
            reader.assert_sound()


@pytest.mark.parametrize(
    "coverages",
    [
        (Coverage(5), Coverage(4)),
        (Coverage(2, frozenset({4})), Coverage(3, frozenset({5}))),
        (Coverage(2, frozenset({4})), Coverage(3)),
    ],
    ids=["lower", "other", "forgotten"],
)
def test_a_shrinking_commit_is_seen(rig: Rig, coverages: tuple[Coverage, ...]) -> None:
    with Reader(rig.settings) as reader:
        commit(rig.settings, *coverages)
        wait_for(lambda: reader.violations)
        with pytest.raises(AssertionError, match="no longer covers"):
            reader.assert_sound()
