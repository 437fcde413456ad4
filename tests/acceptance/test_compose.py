"""What infra/compose.yaml says, run without Docker: broker, store, and every command of advet in its environment.

Not run: the containers themselves, their healthchecks' shells, Prometheus and Grafana (other tests have those), and
`advet-gpu`, which needs a card. Addresses and folders of containers are mapped to this machine's, nothing else.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from consumer.kafka.admin import admin_client
from consumer.kafka.probe import cluster_facts
from consumer.local.apache_kafka import SMALL_JVM
from consumer.local.kafka_install import install_kafka
from consumer.local.object_store import store_binary
from consumer.local.process import LOOPBACK, Child, Program, accepts_connections, free_ports, kept_cluster_id
from consumer.settings import KafkaSettings
from tests.conftest import started
from tests.rig import Member, wait_for
from tests.unit.deploy import bounds
from tests.unit.deploy.compose import Service, read

pytestmark = pytest.mark.kafka
PICTURE = Path(__file__).parents[2] / "consumer" / "demo" / "pictures" / "finance-guaranteed.webp"
ADVET = (sys.executable, "-m", "consumer")
SECONDS = 60.0
WEED_PORTS = ("master.port", "volume.port", "filer.port", "admin.port")
_GRPC_OFFSET = 10_000


@dataclass(frozen=True)
class Stack:
    """The services of the file, and where what they name is on this machine."""

    services: Mapping[str, Service]
    addresses: Mapping[str, str]
    folder: Path

    def environment(self, name: str, port: int) -> dict[str, str]:
        """Of a container of ours: the image's variables, the file's on top; `port` is where it listens."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("ADVET_")}
        image = {"HOME": str(self.folder), "ADVET_HTTP__PORT": str(port), "ADVET_LAG__PORT": str(port)}
        return kept | image | {k: self.here(v) for k, v in self.services[name]["environment"].items()}

    def here(self, text: str) -> str:
        """The text with this machine's addresses."""
        for theirs, ours in self.addresses.items():
            text = text.replace(theirs, ours)
        return text

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The service's command, or another one in its environment, to its end."""
        command = arguments or self.services[name]["command"]
        return subprocess.run(
            [*ADVET, *command],
            env=self.environment(name, 0),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    @contextmanager
    def running(self, name: str, *more: str) -> Iterator[Member]:
        """The service's command in its environment, healthy as its healthcheck says; killed at the end if need be."""
        [port] = free_ports(1)
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*ADVET, *self.services[name]["command"], *more],
                env=self.environment(name, port), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        member = Member(process, log, port)
        try:
            wait_for(lambda: self._healthy(name, port), member)
            yield member
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _healthy(self, name: str, port: int) -> bool:
        kind, program, *arguments = self.services[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        asked = [re.sub(r"127\.0\.0\.1:\d+", f"{LOOPBACK}:{port}", argument) for argument in arguments]
        return (
            subprocess.run([sys.executable, *asked], capture_output=True, check=False, timeout=SECONDS).returncode == 0
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Broker and store as the file configures them."""
    folder = tmp_path_factory.mktemp("compose")
    services: Mapping[str, Service] = read()["services"]
    inner, outer, controller, s3 = free_ports(4)
    addresses = {
        "kafka:19092": f"{LOOPBACK}:{inner}",
        f"{LOOPBACK}:9092": f"{LOOPBACK}:{outer}",
        "localhost:9093": f"{LOOPBACK}:{controller}",
        "http://storage:8333": f"http://{LOOPBACK}:{s3}",
    }
    found = Stack(services, addresses, folder)
    kafka = started(lambda: _kafka(found, {"INTERNAL": inner, "LOCALHOST": outer, "CONTROLLER": controller}))
    store = started(lambda: _store(found, s3))
    yield found
    kafka.kill()
    store.kill()


async def _kafka(stack: Stack, ports: Mapping[str, int]) -> Child:
    """Kafka's image makes a property of each KAFKA_ variable but those of its scripts."""
    home = stack.folder / "kafka"
    cluster_id = kept_cluster_id(home)
    install = await asyncio.to_thread(install_kafka)
    variables = dict(stack.services["kafka"]["environment"])
    variables.pop("KAFKA_HEAP_OPTS")
    values = {k.removeprefix("KAFKA_").lower().replace("_", "."): stack.here(v) for k, v in variables.items()}
    assert values["log.dirs"] in stack.services["kafka"]["volumes"][0]
    values["log.dirs"] = str(home / "data")
    for name, port in ports.items():
        values["listeners"] = re.sub(rf"{name}://:\d+", f"{name}://{LOOPBACK}:{port}", values["listeners"])
    config = home / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    java = (install.java, *SMALL_JVM, "-cp", install.class_path)
    format_it = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(config)]
    await asyncio.to_thread(subprocess.run, format_it, check=True, capture_output=True, timeout=SECONDS)
    child = Child.spawn(Program("kafka", (*java, "kafka.Kafka", str(config)), home))

    async def ready() -> bool:
        facts = await cluster_facts(LOOPBACK, ports["INTERNAL"])
        return facts is not None and facts.cluster_id == cluster_id

    await child.wait_ready(ready, SECONDS)
    return child


async def _store(stack: Stack, port: int) -> Child:
    service = stack.services["storage"]
    mapped = {"-dir=/data": f"-dir={stack.folder / 'objects'}", "-s3.port=8333": f"-s3.port={port}"}
    (stack.folder / "objects").mkdir()
    command = [mapped.get(argument, argument).replace("0.0.0.0", LOOPBACK) for argument in service["command"]]  # noqa: S104
    others = zip(WEED_PORTS, free_ports(len(WEED_PORTS), beside=_GRPC_OFFSET), strict=True)
    argv = (str(store_binary()), *command, *(f"-{flag}={number}" for flag, number in others))
    child = Child.spawn(Program("storage", argv, stack.folder, service["environment"]))

    async def ready() -> bool:
        return accepts_connections(port)

    await child.wait_ready(ready, SECONDS)
    return child


def test_each_listener_names_an_address_that_its_clients_reach(stack: Stack) -> None:
    """From containers `kafka`, from this machine 127.0.0.1: both lead to the broker and stay with their listener."""

    async def told(address: str) -> set[str]:
        async with admin_client(KafkaSettings(bootstrap=address)) as admin:
            cluster = await admin.describe_cluster()
            return {f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]}

    for address in ("kafka:19092", f"{LOOPBACK}:9092"):
        assert asyncio.run(told(stack.here(address))) == {stack.here(address)}


def test_everything_runs_and_an_ad_gets_its_verdict(stack: Stack) -> None:
    """Topics, consumer, exporter, in the order of `depends_on`; then as a person would, from this machine."""
    made = stack.run("topics")
    assert made.returncode == 0, made.stderr
    again = stack.run("topics", "topics", "apply", "--json")
    assert {step["action"] for step in json.loads(again.stdout)["steps"]} == {"ok"}
    listed = json.loads(stack.run("topics", "topics", "list", "--json").stdout)
    assert listed["submissions"]["partitions"] == int(stack.services["topics"]["command"][-1])
    with stack.running("advet", "--admin-port", "0") as consumer, stack.running("advet-lag") as exporter:
        sent = stack.run("advet", "submit", str(PICTURE), "--category", "finance", "--json")
        assert sent.returncode == 0, sent.stderr
        wait_for(lambda: consumer.metric("advet_verdicts_total") == 1, consumer)
        wait_for(lambda: exporter.metric("advet_finished_records_total") == 1, exporter)
        assert exporter.metric("advet_lag_records") == 0
        assert exporter.metric("advet_group_members") == 1
        assert consumer.rss_bytes() < bounds.CONSUMER_BYTES
        assert exporter.rss_bytes() < bounds.in_bytes(stack.services["advet-lag"]["mem_limit"])
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(10) == 0
        consumer.process.send_signal(signal.SIGTERM)
        assert consumer.process.wait(float(stack.services["advet"]["stop_grace_period"].removesuffix("s"))) == 0
    verdicts = stack.run("advet", "tail", "--from-beginning", "--json")
    [verdict] = map(json.loads, verdicts.stdout.splitlines())
    assert verdict["key"] == json.loads(sent.stdout)["submission_id"]
    assert verdict["verdict"]["decision"] == "reject"


def test_the_store_refuses_another_key(stack: Stack) -> None:
    doctor = stack.run("advet", "doctor", "--json", "--storage-secret-key", "another")
    checks = {check["name"]: check["status"] for check in json.loads(doctor.stdout)["checks"]}
    assert checks["bucket ad-creatives"] == "fail"
