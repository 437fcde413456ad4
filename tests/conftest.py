"""Real brokers and a real store, started once per session and only when a test asks for them.

A part that this machine lacks is a skip that names it. In CI it is an error: CI installs its parts.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import boto3
import botocore.config
import pytest

from consumer.errors import StartRefused
from consumer.local.apache_kafka import KafkaCluster
from consumer.local.embedded_broker import EmbeddedBroker
from consumer.local.object_store import ObjectStore
from tests.kafka_tool import ConsumerGroups

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A shell starts background jobs with SIGINT ignored, and so would every command that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

T = TypeVar("T")
BUCKET = "ad-creatives"


def _missing(error: StartRefused) -> NoReturn:
    if os.environ.get("CI") == "true":
        raise error
    pytest.skip(str(error))


def started(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Runs `start`; a missing part skips the test that asked for it."""
    try:
        return asyncio.run(start())
    except StartRefused as error:
        _missing(error)


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """The embedded broker; `.bootstrap`."""
    broker = started(lambda: EmbeddedBroker.start(tmp_path_factory.mktemp("embedded")))
    yield broker
    asyncio.run(broker.stop())


@dataclass(frozen=True, slots=True)
class Existing:
    """A cluster that somebody else runs."""

    bootstrap: str


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster | Existing]:
    """One node of Apache Kafka, or the cluster at ADVET_TEST_KAFKA; `.bootstrap`. Mark the test `kafka`."""
    if existing := os.environ.get("ADVET_TEST_KAFKA"):
        yield Existing(existing)
        return
    cluster = started(lambda: KafkaCluster.start(tmp_path_factory.mktemp("kafka")))
    yield cluster
    cluster.kill_all()


@pytest.fixture(scope="session")
def consumer_groups() -> ConsumerGroups:
    """Kafka's own consumer-groups tool."""
    try:
        return ConsumerGroups()
    except StartRefused as error:
        _missing(error)


@pytest.fixture(scope="session")
def weed_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """The local S3 store with the bucket `ad-creatives`; `.endpoint`, `.keys.access`, `.keys.secret`."""
    store = started(lambda: ObjectStore.start(tmp_path_factory.mktemp("store"), buckets=(BUCKET,)))
    yield store
    store.child.kill()


@pytest.fixture
def s3(weed_store: ObjectStore) -> Iterator["S3Client"]:
    """An S3 client that is not ours, on the local store."""
    client = boto3.client(
        "s3",
        endpoint_url=weed_store.endpoint,
        aws_access_key_id=weed_store.keys.access,
        aws_secret_access_key=weed_store.keys.secret,
        region_name="us-east-1",
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, without this machine's own advet settings."""
    for name in list(os.environ):
        if name.startswith("ADVET_") and not name.startswith("ADVET_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
