"""Three brokers for the whole session, and how long and with which seed to hurt things."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumer.local.apache_kafka import KafkaCluster
from consumer.local.object_store import ObjectStore
from tests.conftest import started
from tests.faults.brokers import Brokers
from tests.rig import Rig

SHORT_KILLS = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when `tests/faults` is named on the command line, as `make faults` does."""
    group = parser.getgroup("faults")
    group.addoption("--seed", type=int, default=None, help="of every random choice; printed by each run")
    group.addoption("--kills", type=int, default=SHORT_KILLS, help="random kills while work is in flight")
    group.addoption("--minutes", type=float, default=None, help="end the random kills after this time at the latest")


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """`--seed`, or one that is printed with a failure."""
    given = pytestconfig.getoption("--seed", None)
    return int.from_bytes(os.urandom(4)) if given is None else given


@pytest.fixture
def chance(seed: int, request: pytest.FixtureRequest) -> random.Random:
    """Choices of this test: the same for the same seed."""
    print(f"--seed {seed}")
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three nodes of Apache Kafka."""
    nodes = started(lambda: KafkaCluster.start(tmp_path_factory.mktemp("kafka3"), 3))
    yield nodes
    nodes.kill_all()


@pytest.fixture
def brokers(cluster: KafkaCluster) -> Brokers:
    """The cluster, whole."""
    brokers = Brokers(cluster)
    brokers.mend()
    return brokers


@pytest.fixture
def make_rig(tmp_path: Path, brokers: Brokers, weed_store: ObjectStore) -> Callable[..., Rig]:
    """Topics and settings for short sessions and small batches; further tables override them."""

    def make(partitions: int = 4, **tables: dict[str, object]) -> Rig:
        kafka = {"session_timeout_seconds": 2, "rebalance_timeout_seconds": 20, "request_timeout_seconds": 5}
        flow = {"drain_seconds": 1.5, "publish_seconds": 0.03, "max_records": 24}
        return Rig.make(
            tmp_path,
            brokers.bootstrap,
            weed_store,
            partitions,
            "exactly_once",
            **{**tables, "kafka": kafka | tables.get("kafka", {}), "flow": flow | tables.get("flow", {})},
        )

    return make
