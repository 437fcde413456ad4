"""Transactions whose end is late, lost or overtaken by their timeout: exactly one outcome each, afterwards."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.kafka.transactions import PUBLISH_SECONDS, TRANSACTION_SECONDS
from consumer.local.apache_kafka import KafkaCluster, Listener
from consumer.local.object_store import ObjectStore
from consumer.local.process import free_ports
from tests.conftest import started
from tests.faults.failpoints import Folder, Plan
from tests.faults.fleet import Fleet, is_stopped
from tests.faults.proxy import FAULTS, Proxy
from tests.faults.reader import Reader
from tests.rig import Rig, submission

pytestmark = pytest.mark.kafka
KAFKA = {"session_timeout_seconds": 2, "rebalance_timeout_seconds": 30, "request_timeout_seconds": 5}
FLOW = {"drain_seconds": 1.5, "publish_seconds": 0.03, "max_records": 24}
REFUSED = {47, 48, 49, 90}
"""InvalidProducerEpoch, InvalidTxnState, InvalidProducerIdMapping, ProducerFenced."""


@pytest.fixture(scope="module")
def ports() -> tuple[int, int]:
    """The proxied listener's, and the proxy's."""
    behind, before = free_ports(2)
    return behind, before


@pytest.fixture(scope="module")
def one_node(ports: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A broker with a second listener that clients reach through a proxy; looks for timed out transactions often."""
    listener = Listener("PROXIED", "PLAINTEXT", ports[0], advertised=ports[1])
    properties = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}
    folder = tmp_path_factory.mktemp("proxied")
    cluster = started(lambda: KafkaCluster.start(folder, 1, listeners=[listener], properties=properties))
    yield cluster
    cluster.kill_all()


def rig_at(folder: Path, bootstrap: str, store: ObjectStore) -> Rig:
    """Four partitions; the consumers reach the broker at `bootstrap`."""
    return Rig.make(folder, bootstrap, store, 4, "exactly_once", kafka=KAFKA, flow=FLOW)


def events() -> list[dict]:
    return [submission(n % 30, revision=n // 30) for n in range(120)]


def test_end_txn_held_lost_and_cut(
    tmp_path: Path, one_node: KafkaCluster, ports: tuple[int, int], weed_store: ObjectStore
) -> None:
    """One partition each: EndTxn comes after the client gave up, its answer does, the connection is cut before, after.

    The broker refuses the late one: it belongs to a producer that has been replaced.
    """
    hold_seconds = PUBLISH_SECONDS + 3
    with Proxy(ports[1], ports[0], hold_seconds) as proxy:
        rig = rig_at(tmp_path, f"127.0.0.1:{ports[1]}", weed_store)
        rig.settings = rig.settings.model_copy(
            update={"kafka": rig.settings.kafka.model_copy(update={"bootstrap": one_node.bootstrap})}
        )
        with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.1") as fleet:
            fleet.start()
            proxy.arm(*FAULTS)
            sent = len(rig.produce(events()))
            fleet.wait(lambda: proxy.late_errors)
            assert proxy.done == Counter(FAULTS)
            assert set(proxy.late_errors) <= REFUSED
            sent += len(rig.produce(events()))
            fleet.finish(sent)
            assert fleet.exits == []


@pytest.mark.parametrize("point", ["offsets_sent", "end_sent"])
def test_a_transaction_outlives_its_timeout(
    point: str, tmp_path: Path, one_node: KafkaCluster, weed_store: ObjectStore
) -> None:
    """The only member sleeps inside a transaction until the broker has given it up, then wakes."""
    rig = rig_at(tmp_path, one_node.bootstrap, weed_store)
    folder = Folder(tmp_path / "failpoints")
    with Reader(rig.settings) as reader, Fleet(rig, reader, "jitter", "0.1") as fleet:
        plan = Plan(point, 2, "stop")
        sleeper = fleet.start(str(plan), str(folder.path))
        folder.arm()
        sent = len(rig.produce(events()))
        fleet.wait(lambda: is_stopped(sleeper))
        wake = time.monotonic() + TRANSACTION_SECONDS + 2
        fleet.wait(lambda: time.monotonic() > wake)
        assert folder.fault == plan
        assert not reader.complete(sent)
        sleeper.process.send_signal(signal.SIGCONT)
        fleet.finish(sent)
        assert fleet.exits == []
