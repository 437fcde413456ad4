"""A member that the network cuts off loses its partitions to another one, comes back, and nothing is lost or twice."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumer.kafka.connection import independent_consumer
from consumer.local.apache_kafka import KafkaCluster, Listener
from consumer.local.object_store import ObjectStore
from consumer.local.process import free_ports
from consumer.settings import load
from tests.conftest import started
from tests.faults.feeder import Feeder
from tests.faults.fleet import Fleet, is_ready
from tests.faults.proxy import Proxy
from tests.faults.reader import Reader
from tests.rig import Member, Rig, submission
from tests.unit.deploy import bounds

pytestmark = pytest.mark.kafka
PARTITIONS = 4
PER_SECOND = 40.0
ROUNDS = 2
KAFKA = {"session_timeout_seconds": 2, "rebalance_timeout_seconds": 20, "request_timeout_seconds": 5}
FLOW = {"drain_seconds": 1.5, "publish_seconds": 0.03, "max_records": 24}


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """The proxied listener's, and the proxy's."""
    behind, before = free_ports(2)
    return behind, before


@pytest.fixture(scope="module")
def one_node(ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A broker that clients can reach directly, and through a proxy."""
    listener = Listener("PROXIED", "PLAINTEXT", ports[0], advertised=ports[1])
    cluster = started(lambda: KafkaCluster.start(tmp_path_factory.mktemp("cut-off"), 1, listeners=[listener]))
    yield cluster
    cluster.kill_all()


def behind_proxy(rig: Rig, address: str) -> Rig:
    """The same topics and group, reached at another address."""
    config = rig.folder / f"far-{rig.config.name}"
    config.write_text(rig.config.read_text().replace(rig.settings.kafka.bootstrap, address))
    return replace(rig, settings=load(config=config).settings, config=config, members=[])


@pytest.mark.parametrize("hurt", [Proxy.cut, Proxy.silence], ids=["connections cut", "packets dropped"])
def test_it_comes_back(
    hurt: Callable[[Proxy], None],
    tmp_path: Path,
    one_node: KafkaCluster,
    ports: tuple[int, int],
    weed_store: ObjectStore,
) -> None:
    """Twice under load; meanwhile the member that can reach the broker takes everything over."""
    near_rig = Rig.make(tmp_path, one_node.bootstrap, weed_store, PARTITIONS, "exactly_once", kafka=KAFKA, flow=FLOW)
    with (
        Proxy(ports[1], ports[0], 0) as proxy,
        Reader(near_rig.settings) as reader,
        Fleet(near_rig, reader, "jitter", "0.1") as near,
        Fleet(behind_proxy(near_rig, f"127.0.0.1:{ports[1]}"), reader, "jitter", "0.1") as far,
    ):
        near.start()
        far.start()
        with Feeder(near_rig.settings, PER_SECOND) as feeder:
            for _ in range(ROUNDS):
                lose_and_regain(near, far, reader, lambda: hurt(proxy), proxy.mend)
            sent = feeder.stop()
        near.wait(lambda: reader.complete(sent))
        far.finish(sent)
        near.finish(sent)
        assert (near.exits, far.exits) == ([], [])


@pytest.mark.parametrize("hurt", [Proxy.cut, Proxy.silence], ids=["connections cut", "packets dropped"])
def test_it_ends_within_its_grace_period(
    hurt: Callable[[Proxy], None],
    tmp_path: Path,
    one_node: KafkaCluster,
    ports: tuple[int, int],
    weed_store: ObjectStore,
) -> None:
    """SIGTERM while nothing answers: it ends before a platform would kill it, and the next owner finishes."""
    near_rig = Rig.make(tmp_path, one_node.bootstrap, weed_store, PARTITIONS, "exactly_once", kafka=KAFKA, flow=FLOW)
    with (
        Proxy(ports[1], ports[0], 0) as proxy,
        Reader(near_rig.settings) as reader,
        Fleet(near_rig, reader, "jitter", "0.1") as near,
        Fleet(behind_proxy(near_rig, f"127.0.0.1:{ports[1]}"), reader, "jitter", "0.1") as far,
    ):
        member = far.start()
        sent = len(near_rig.produce(submission(n) for n in range(500)))
        far.wait(lambda: len(reader.outcomes) > 20)
        hurt(proxy)
        member.process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        member.process.wait(bounds.grace_seconds(near_rig.settings))
        print(f"it took {time.monotonic() - asked:.1f} of {bounds.grace_seconds(near_rig.settings)} s")
        assert reader.unfinished > 0
        proxy.mend()
        near.start()
        near.finish(sent)
        assert near.exits == []


def test_a_client_can_be_stopped_while_it_waits_to_try_again(
    tmp_path: Path,
    one_node: KafkaCluster,
    ports: tuple[int, int],
    weed_store: ObjectStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """aiokafka's own stop raises a cancellation then, and keeps its connections."""
    near = Rig.make(tmp_path, one_node.bootstrap, weed_store, PARTITIONS, "exactly_once")
    far = behind_proxy(near, f"127.0.0.1:{ports[1]}").settings

    async def scenario(proxy: Proxy) -> None:
        kafka, topic = far.kafka, far.topics.submissions
        async with asyncio.timeout(60), independent_consumer(kafka, topic, retry_backoff_ms=60_000) as consumer:
            await consumer.getmany(timeout_ms=500)
            proxy.cut()
            while "Failed fetch messages" not in caplog.text:  # noqa: ASYNC110 - it is a log
                await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with Proxy(ports[1], ports[0], 0) as proxy:
        asyncio.run(scenario(proxy))


def lose_and_regain(
    near: Fleet, far: Fleet, reader: Reader, hurt: Callable[[], None], mend: Callable[[], None]
) -> None:
    """Both work; the far one is cut off and the near one takes over; the far one is back and works."""
    [near_member], [far_member] = near.members, far.members
    near.wait(lambda: owned(near_member) == PARTITIONS / 2)
    judged = far_member.metric("advet_verdicts_total")
    far.wait(lambda: far_member.metric("advet_verdicts_total") > judged + 10)
    hurt()
    far.wait(lambda: not is_ready(far_member))
    near.wait(lambda: owned(near_member) == PARTITIONS)
    outcomes = len(reader.outcomes)
    near.wait(lambda: len(reader.outcomes) > outcomes + 20)
    mend()
    far.wait(lambda: is_ready(far_member))
    near.wait(lambda: owned(near_member) == PARTITIONS / 2)


def owned(member: Member) -> float:
    """Partitions that the member reads, as it says itself."""
    return member.metric("advet_partition_assigned")
