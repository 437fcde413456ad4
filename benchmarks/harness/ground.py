"""What all contenders stand on: one Apache Kafka, one SeaweedFS, events and creatives."""

import asyncio
import functools
import io
import json
import random
import tomllib
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.config
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from PIL import Image

from consumer.local.apache_kafka import KafkaCluster
from consumer.local.object_store import ObjectStore

BUCKET = "ad-creatives"
PLAN = Path(__file__).resolve().parents[1] / "stream.toml"


@dataclass(frozen=True, slots=True)
class Plan:
    """`benchmarks/stream.toml`."""

    partitions: int
    concurrency: int
    concurrency_full: int
    linger_ms: int
    commit_seconds: float
    threads: int
    objects: int
    object_bytes: int
    event_bytes: int
    warm_up_seconds: float
    idle_seconds: float
    jvm: list[str]

    @classmethod
    def read(cls) -> Self:
        """Raises TypeError for a name too many or too few."""
        return cls(**tomllib.loads(PLAN.read_text()))


class Ground:
    """The running broker and store; makes topics and fills them."""

    def __init__(self, plan: Plan, kafka: KafkaCluster, store: ObjectStore, admin: AIOKafkaAdminClient) -> None:
        self.plan = plan
        self.store = store
        self.admin = admin
        self.bootstrap = kafka.bootstrap
        self._replicas = min(len(kafka.nodes), 3)
        node = kafka.node(1).child
        if node is None:
            raise RuntimeError("the broker does not run")
        self.broker_pid = node.pid
        self.pids = (store.child.pid,)
        """Processes of the benchmark that are neither broker nor contender."""

    @classmethod
    @asynccontextmanager
    async def prepared(cls, plan: Plan, folder: Path, brokers: int = 1) -> AsyncIterator["Ground"]:
        """Starts both; ends them when the block is left."""
        store = await ObjectStore.start(folder / "store", buckets=(BUCKET,))
        kafka = await KafkaCluster.start(folder / "kafka", brokers, jvm=plan.jvm)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        try:
            await admin.start()
            await asyncio.to_thread(_fill_store, store, plan)
            yield cls(plan, kafka, store, admin)
        finally:
            await admin.close()
            kafka.kill_all()
            await store.stop()

    async def topics(self, *names: str, broker_time: bool = False) -> None:
        """Creates topics; with `broker_time` their records carry the time at which the broker appended them."""
        configs = {"message.timestamp.type": "LogAppendTime"} if broker_time else {}
        answer = await self.admin.create_topics(
            [NewTopic(name, self.plan.partitions, self._replicas, topic_configs=configs) for name in names]
        )
        for name, code, message in answer.topic_errors:
            if code:
                raise RuntimeError(f"topic {name}: {message}")

    async def preload(self, topic: str, events: Iterator[tuple[str, bytes]]) -> int:
        """Fills a new topic as fast as it goes; returns the number of events."""
        await self.topics(topic)
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=20) as producer:
            sent = [await producer.send(topic, value, name.encode()) for name, value in events]
            await asyncio.gather(*sent)
        return len(sent)

    def events(self, count: int, *, full: bool, prefix: str = "ad") -> Iterator[tuple[str, bytes]]:
        """Submission ids and events of `plan.event_bytes`; with `full` each names a creative in the store."""
        template = _event(full)
        for number in range(count):
            name = f"{prefix}-{number:08d}"
            template["submission_id"] = name
            if full:
                template["creatives"][0]["key"] = _key(number % self.plan.objects)
            template["text"]["body"] = ""
            room = self.plan.event_bytes - len(json.dumps(template, ensure_ascii=False).encode())
            template["text"]["body"] = "新" * (room // 3) + "." * (room % 3)
            yield name, json.dumps(template, ensure_ascii=False).encode()


def unique(name: str) -> str:
    """A name that was not used before."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def _event(full: bool) -> dict[str, Any]:
    event: dict[str, Any] = {
        "submission_id": "",
        "revision": 1,
        "advertiser": {"id": "advertiser-1", "name": "某某食品有限公司"},
        "category": "food",
        "text": {"title": "新品上市", "body": "", "call_to_action": "立即购买"},
        "placement": {"media": "internet"},
        "submitted_at": datetime.now(UTC).isoformat(),
    }
    if full:
        event["creatives"] = [{"asset_id": "main", "kind": "image", "bucket": BUCKET, "key": ""}]
    return event


def _key(number: int) -> str:
    return f"bench/{number:04d}.jpg"


def _fill_store(store: ObjectStore, plan: Plan) -> None:
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=store.endpoint,
        region_name="us-east-1",
        aws_access_key_id=store.keys.access,
        aws_secret_access_key=store.keys.secret,
        config=botocore.config.Config(s3={"addressing_style": "path"}),
    )
    for number in range(plan.objects):
        client.put_object(Bucket=BUCKET, Key=_key(number), Body=_jpeg(number, plan.object_bytes))
    client.close()


@functools.cache
def _jpeg(seed: int, size_bytes: int) -> bytes:
    """A valid JPEG of exactly `size_bytes`: noise, and zeros behind its end, which decoders ignore."""
    noise = random.Random(seed)
    side = int((size_bytes * 0.5) ** 0.5)
    picture = Image.frombytes("RGB", (side, side), noise.randbytes(side * side * 3))
    for quality in range(95, 20, -5):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= size_bytes:
            return file.getvalue().ljust(size_bytes, b"\0")
    raise ValueError(f"no noise fits {size_bytes} bytes")
