"""A real Apache Kafka on this machine: one to three KRaft nodes, each broker and controller, without Docker."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from consumer.kafka.probe import cluster_facts
from consumer.local.kafka_install import KafkaInstall, install_kafka
from consumer.local.process import LOOPBACK, Child, ChildFailed, Program, free_ports, kept_cluster_id, stop_all

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
SMALL_JVM = (
    "-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
)  # fmt: skip
_COMMON = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "controller.quorum.election.timeout.ms": "200",
    "controller.quorum.election.backoff.max.ms": "100",
    "controller.quorum.fetch.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    # With the default of 9000 a node that was killed takes 13 s to come back instead of 3.
    "broker.session.timeout.ms": "2000",
}
_REPLICATED = (
    "offsets.topic.replication.factor", "transaction.state.log.replication.factor",
    "share.coordinator.state.topic.replication.factor", "default.replication.factor",
)  # fmt: skip
_IN_SYNC = ("transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr", "min.insync.replicas")


@dataclass(frozen=True, slots=True)
class Listener:
    """A further port of a one-node cluster, beside the plaintext one; `protocol` is SSL, SASL_PLAINTEXT or SASL_SSL."""

    name: str
    protocol: str
    port: int
    advertised: int | None = None
    """The port that clients are told to use instead: a proxy's."""


class KafkaNode:
    """One node: its port, its folder and, while it runs, its process."""

    def __init__(self, number: int, port: int, program: Program) -> None:
        self.number = number
        self.port = port
        self.program = program
        self.child: Child | None = None

    def start(self) -> Child:
        """Starts the process; a folder that was used before is picked up again."""
        self.child = Child.spawn(self.program)
        return self.child

    def kill(self) -> None:
        """SIGKILL; the folder stays. Does nothing when the node does not run."""
        if self.child is not None:
            self.child.kill()


class KafkaCluster:
    """Nodes numbered from 1. `kill` and `restart` act on single ones; `stop` ends all."""

    def __init__(self, cluster_id: str, nodes: Sequence[KafkaNode]) -> None:
        self.cluster_id = cluster_id
        self.nodes = tuple(nodes)

    @property
    def bootstrap(self) -> str:
        """All nodes' plaintext addresses."""
        return ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    @classmethod
    async def start(
        cls,
        folder: Path,
        nodes: int = 1,
        *,
        properties: Mapping[str, str] | None = None,
        listeners: Sequence[Listener] = (),
        format_arguments: Sequence[str] = (),
        jvm: Sequence[str] = SMALL_JVM,
    ) -> Self:
        """Starts `nodes` nodes in `folder` and waits until they form one cluster.

        `properties` override the nodes' own; `format_arguments` go to the storage tool (`--add-scram …`); `jvm` are
        the flags of the nodes' Java, by default for a small footprint. Raises StartRefused when Java or Maven is
        missing, ChildFailed when a node does not come up.
        """
        if nodes > 1 and listeners:
            raise ValueError("further listeners are for one-node clusters")
        install = await asyncio.to_thread(install_kafka)
        cluster_id = kept_cluster_id(folder)
        ports = free_ports(2 * nodes)
        ports, controllers = ports[:nodes], ports[nodes:]
        voters = ",".join(f"{i}@{LOOPBACK}:{port}" for i, port in enumerate(controllers, start=1))
        made = []
        for number, (port, controller) in enumerate(zip(ports, controllers, strict=True), start=1):
            home = folder / f"node-{number}"
            values = _node_properties(number, home, nodes, voters)
            values |= _listeners(port, controller, listeners) | dict(properties or {})
            made.append(_write_node(install, number, port, home, values, jvm))
        cluster = cls(cluster_id, made)
        await asyncio.gather(
            *(asyncio.to_thread(_format, install, node, cluster_id, format_arguments) for node in made)
        )
        try:
            for node in made:
                node.start()
            await cluster.wait_ready()
        except BaseException:
            cluster.kill_all()
            raise
        return cluster

    async def wait_ready(self) -> None:
        """Waits until each node that runs answers with this cluster's id and sees all of them."""
        running = [node for node in self.nodes if node.child is not None and node.child.alive]
        await asyncio.gather(*(self._wait_node(node, len(running)) for node in running))

    async def _wait_node(self, node: KafkaNode, brokers: int) -> None:
        async def ready() -> bool:
            facts = await cluster_facts(LOOPBACK, node.port)
            return facts is not None and facts.cluster_id == self.cluster_id and facts.brokers >= brokers

        if node.child is not None:
            await node.child.wait_ready(ready, READY_SECONDS)

    def node(self, number: int) -> KafkaNode:
        """The node with this number, from 1."""
        return self.nodes[number - 1]

    def kill(self, number: int) -> None:
        """SIGKILL of one node."""
        self.node(number).kill()

    async def restart(self, number: int) -> None:
        """Starts a node that was killed or stopped on its old folder and waits for it."""
        self.kill(number)
        self.node(number).start()
        await self.wait_ready()

    async def stop(self) -> None:
        """Stops all nodes cleanly. Three take 5 s, because the quorum goes: `kill_all` when the data is thrown away."""
        await stop_all((node.child for node in self.nodes if node.child is not None), STOP_SECONDS)

    def kill_all(self) -> None:
        """SIGKILL of every node; idempotent."""
        for node in self.nodes:
            node.kill()


def _node_properties(number: int, home: Path, nodes: int, voters: str) -> dict[str, str]:
    replicas, in_sync = ("3", "2") if nodes >= 3 else ("1", "1")
    return {
        **_COMMON,
        **dict.fromkeys(_REPLICATED, replicas),
        **dict.fromkeys(_IN_SYNC, in_sync),
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "log.dirs": str(home / "data"),
    }


def _listeners(port: int, controller: int, more: Sequence[Listener]) -> dict[str, str]:
    plain = Listener("PLAINTEXT", "PLAINTEXT", port)
    inner = Listener("CONTROLLER", "PLAINTEXT", controller)
    return {
        "listeners": ",".join(f"{item.name}://{LOOPBACK}:{item.port}" for item in (plain, inner, *more)),
        "advertised.listeners": ",".join(
            f"{item.name}://{LOOPBACK}:{item.advertised or item.port}" for item in (plain, *more)
        ),
        "listener.security.protocol.map": ",".join(f"{item.name}:{item.protocol}" for item in (plain, inner, *more)),
    }


def _write_node(
    install: KafkaInstall, number: int, port: int, home: Path, values: Mapping[str, str], jvm: Sequence[str]
) -> KafkaNode:
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "server.properties"
    config.touch(mode=0o600)
    config.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    argv = (install.java, *jvm, "-cp", install.class_path, "kafka.Kafka", str(config))
    return KafkaNode(number, port, Program(f"kafka-{number}", argv, home))


def _format(install: KafkaInstall, node: KafkaNode, cluster_id: str, arguments: Sequence[str]) -> None:
    home = node.program.folder
    command = [
        install.java, *SMALL_JVM, "-cp", install.class_path, "kafka.tools.StorageTool", "format",
        "--ignore-formatted", "-t", cluster_id, "-c", str(home / "server.properties"), *arguments,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=READY_SECONDS)
    if done.returncode:
        raise ChildFailed(f"Kafka could not format {home}:\n{(done.stdout + done.stderr)[-2000:]}")
