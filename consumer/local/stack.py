"""Everything `advet run` needs on this machine: broker, store, topics and bucket, started and ended together."""

import asyncio
import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pydantic import SecretStr

from consumer.errors import StartRefused
from consumer.kafka.admin import admin_client
from consumer.kafka.topics import DEFAULT_PARTITIONS, apply, make_plan
from consumer.local.apache_kafka import KafkaCluster
from consumer.local.embedded_broker import EmbeddedBroker, S3Storage
from consumer.local.object_store import ObjectStore
from consumer.local.process import Child, ChildFailed
from consumer.settings import FlowSettings, KafkaSettings, Settings, StorageSettings

BUCKET = "ad-creatives"
BROKER_BUCKET = "advet-broker"
STOP_SECONDS = 10.0
CONFIG_MARK = "# Written by `advet local`"
"""First words of the settings file: what does not begin like this is a person's own."""
# The embedded broker gives the first member its partitions after half a session timeout, and the next member after a
# leave only when nearly two have passed: 55 s with the default of 30 s.
EMBEDDED_SESSION = {"session_timeout_seconds": 6.0}
EMBEDDED_DRAIN = {"drain_seconds": 5.0}


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What to start. `kafka` names an existing plaintext broker instead of starting one."""

    broker: Literal["embedded", "kafka"] = "embedded"
    brokers: int = 1
    kafka: str | None = None
    partitions: int = DEFAULT_PARTITIONS
    data: Path | None = None
    """Folder that keeps records and objects; None: a temporary one, removed at the end."""


class LocalStack:
    """`async with LocalStack(plan) as stack:`; start it from a thread that lives as long as the stack."""

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan
        self._exit = contextlib.AsyncExitStack()
        self._children: list[Child] = []
        self.bootstrap = ""
        self.store: ObjectStore

    @property
    def settings(self) -> Settings:
        """Settings with which any advet command uses this stack."""
        embedded = self._plan.broker == "embedded" and self._plan.kafka is None
        return Settings(
            delivery="at_least_once" if embedded else "exactly_once",
            kafka=KafkaSettings(bootstrap=self.bootstrap, **(EMBEDDED_SESSION if embedded else {})),
            flow=FlowSettings(**(EMBEDDED_DRAIN if embedded else {})),
            storage=StorageSettings(
                endpoint=self.store.endpoint,
                access_key=self.store.keys.access,
                secret_key=SecretStr(self.store.keys.secret),
                buckets=(BUCKET,),
            ),
        )

    async def __aenter__(self) -> Self:
        async with self._exit as undo:
            folder = self._plan.data
            if folder is None:
                folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="advet-local-")))
            else:
                _make_folder(folder)
            await self._start(folder.resolve(), undo)
            async with admin_client(self.settings.kafka) as admin:
                await apply(admin, await make_plan(admin, self.settings, self._plan.partitions))
            self._exit = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _start(self, folder: Path, undo: contextlib.AsyncExitStack) -> None:
        """Broker and store at the same time; if one fails, the other is ended as well."""
        store = asyncio.create_task(self._start_store(folder / "store", undo))
        broker = asyncio.create_task(self._start_broker(folder / "broker", undo, store))
        try:
            await asyncio.gather(store, broker)
        except BaseException:
            for task in (store, broker):
                task.cancel()
            await asyncio.gather(store, broker, return_exceptions=True)
            raise

    async def _start_store(self, folder: Path, undo: contextlib.AsyncExitStack) -> ObjectStore:
        durable = self._plan.data is not None and self._plan.broker == "embedded" and self._plan.kafka is None
        buckets = (BUCKET, BROKER_BUCKET) if durable else (BUCKET,)
        self.store = store = await ObjectStore.start(folder, buckets=buckets)
        self._children.append(store.child)
        undo.callback(store.remove_sockets)
        undo.push_async_callback(self._end, store.child)
        return store

    async def _start_broker(
        self, folder: Path, undo: contextlib.AsyncExitStack, store: asyncio.Task[ObjectStore]
    ) -> None:
        if self._plan.kafka is not None:
            self.bootstrap = self._plan.kafka
        elif self._plan.broker == "kafka":
            cluster = await KafkaCluster.start(folder, self._plan.brokers)
            self.bootstrap = cluster.bootstrap
            for node in cluster.nodes:
                if node.child is not None:
                    self._children.append(node.child)
                    undo.push_async_callback(self._end, node.child)
        else:
            # In memory, records would not outlive the process; with a data folder they go into the object store.
            durable = S3Storage.of(await store, BROKER_BUCKET) if self._plan.data is not None else None
            broker = await EmbeddedBroker.start(folder, storage=durable)
            self.bootstrap = broker.bootstrap
            self._children.append(broker.child)
            undo.push_async_callback(self._end, broker.child)

    async def _end(self, child: Child) -> None:
        if self._plan.data is None:
            child.kill()  # what it would flush is thrown away
        else:
            await child.stop(STOP_SECONDS)

    async def first_death(self) -> ChildFailed:
        """Waits until one of the processes ends by itself; returns the error that says which and why."""
        waits = {asyncio.create_task(child.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        ended = done.pop()
        return waits[ended].failure(f"ended by itself with status {ended.result()}")

    def write_config(self, path: Path) -> None:
        """Writes the settings of this stack as TOML for `advet run --config`; readable by this user only."""
        settings = self.settings
        text = (
            f"{CONFIG_MARK}; of no use once it has ended.\n"
            f"delivery = {_toml(settings.delivery)}\n\n"
            f"[kafka]\nbootstrap = {_toml(settings.kafka.bootstrap)}\n"
            f"session_timeout_seconds = {settings.kafka.session_timeout_seconds:g}\n\n"
            f"[flow]\ndrain_seconds = {settings.flow.drain_seconds:g}\n\n"
            f"[storage]\nendpoint = {_toml(self.store.endpoint)}\naccess_key = {_toml(self.store.keys.access)}\n"
            f"secret_key = {_toml(self.store.keys.secret)}\nbuckets = {json.dumps(settings.storage.buckets)}\n"
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # created with mode 0600
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(partial).replace(path)
        except OSError as error:
            raise StartRefused(f"cannot write {path} ({error.strerror}): choose another file with --config") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(f"cannot make the folder {folder} ({error.strerror}): choose another with --data") from error


def _toml(value: str) -> str:
    return json.dumps(value)  # a JSON string is a TOML basic string
