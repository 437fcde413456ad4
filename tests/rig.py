"""A consumer process on topics of its own, and independent clients around it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumer.kafka.admin import admin_client
from consumer.kafka.topics import apply, make_plan
from consumer.local.object_store import ObjectStore
from consumer.settings import Settings, load
from schemas.headers import read_dead_letter

DEADLINE_SECONDS = 60.0


def submission(number: object, **changes: object) -> dict:
    """A valid event with a text only."""
    event: dict = {
        "submission_id": f"s-{number}",
        "revision": 1,
        "advertiser": {"id": "a-1"},
        "category": "general",
        "text": {"title": "新品上市", "body": "到店可享试吃"},
        "submitted_at": datetime.now(UTC).isoformat(),
    }
    return event | changes


@dataclass
class Outcome:
    """One terminal record, as a reader sees it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def origin(self) -> tuple[int, int]:
        """Partition and offset of the submission record."""
        if self.topic.startswith("verdicts"):
            origin = json.loads(self.value or b"")["origin"]
            return origin["partition"], origin["offset"]
        letter = read_dead_letter(self.headers)
        return letter.origin.partition, letter.origin.offset

    @property
    def reason(self) -> str | None:
        """Of a dead letter."""
        return None if self.topic.startswith("verdicts") else str(read_dead_letter(self.headers).reason)


@dataclass
class Member:
    """One consumer process."""

    process: subprocess.Popen
    log: Path
    port: int = 0

    def wait_port(self) -> int:
        """The HTTP port that it chose."""
        self.port = int(wait_for(lambda: re.search(r'"name": "http", .*"port": (\d+)', self.log.read_text()), self)[1])
        return self.port

    def wait_ready(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Waits until `/readyz` answers 200."""
        self.wait_port()
        wait_for(self._ready, self, seconds)

    def _ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False  # it has ended: wait_for says why

    def get(self, path: str) -> tuple[int, str]:
        """Status and body."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels; 0 when it has no samples."""
        lines = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        return sum(map(float, lines))

    def paused(self) -> set[str]:
        """Reasons that pause all partitions now."""
        return set(re.findall(r'^advet_paused\{reason="(\w+)"\} 1\.0$', self.get("/metrics")[1], re.MULTILINE))

    def rss_bytes(self) -> int:
        """Resident memory of the consumer process itself."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def wait_for(condition, member: Member | None = None, seconds: float = DEADLINE_SECONDS):
    """Polls until `condition()` is true and returns it; a member that has died fails at once."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if member is not None and member.process.poll() is not None:
            raise AssertionError(f"consumer ended with {member.process.returncode}:\n{member.log.read_text()[-3000:]}")
        assert time.monotonic() < deadline, f"not within {seconds} s" + (
            f":\n{member.log.read_text()[-3000:]}" if member else ""
        )
        time.sleep(0.05)
    return value


@dataclass
class Rig:
    """Topics of their own on a shared broker, and the settings file of the consumers."""

    folder: Path
    settings: Settings
    config: Path
    members: list[Member] = field(default_factory=list)

    @classmethod
    def make(
        cls,
        folder: Path,
        bootstrap: str,
        store: ObjectStore,
        partitions: int = 4,
        delivery: str = "at_least_once",
        **tables: Mapping[str, object],
    ) -> "Rig":
        """Creates the topics and writes the settings; `tables` are added to the file."""
        tag = uuid.uuid4().hex[:8]
        content: dict[str, dict[str, object]] = {
            "kafka": {"bootstrap": bootstrap, "group": f"advet-{tag}", "session_timeout_seconds": 6},
            "topics": {
                "submissions": f"submissions-{tag}",
                "verdicts": f"verdicts-{tag}",
                "oom_dead_letters": f"oom-{tag}",
                "dead_letters": f"letters-{tag}",
                "quarantine": f"quarantine-{tag}",
                "replays": f"replays-{tag}",
                "consumers": f"consumers-{tag}",
            },
            "storage": {
                "endpoint": store.endpoint,
                "access_key": store.keys.access,
                "secret_key": store.keys.secret,
                "probe_seconds": 0.2,
            },
            "flow": {"drain_seconds": 4},
            "http": {"port": 0},
            "admin": {"port": 0},
            "logs": {"format": "json"},
        }
        for table, values in tables.items():
            content.setdefault(table, {}).update(values)
        config = folder / f"{tag}.toml"
        config.write_text(
            f"delivery = {json.dumps(delivery)}\n"
            + "".join(
                f"[{table}]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
                for table, values in content.items()
            )
        )
        rig = cls(folder, load(config=config).settings, config)

        async def create() -> None:
            async with admin_client(rig.settings.kafka) as admin:
                await apply(admin, await make_plan(admin, rig.settings, partitions))

        asyncio.run(create())
        return rig

    def spawn(self, *engine: str) -> Member:
        """Starts a consumer process: `advet run`, or a named engine of `tests.engines`. The caller ends it."""
        log = self.folder / f"member-{self.config.stem}-{len(self.members)}.log"
        program = ["tests.engines", str(self.config), *engine]
        if not engine:
            program = ["consumer", "run", "--config", str(self.config)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ADVET_")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
            )
        member = Member(process, log)
        self.members.append(member)
        return member

    @contextmanager
    def member(self, *engine: str, wait: bool = True):
        """As `spawn`; killed at the end if need be."""
        member = self.spawn(*engine)
        try:
            if wait:
                member.wait_ready()
            yield member
        finally:
            if member.process.poll() is None:
                member.process.kill()
            member.process.wait()

    def produce(self, events: Iterable[dict | bytes | tuple]) -> list[tuple[int, int]]:
        """Sends events (dict: a submission, keyed; bytes: as they are; tuple: value, key, headers); returns
        (partition, offset) of each.
        """

        async def send() -> list[tuple[int, int]]:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.settings.kafka.bootstrap,
                acks="all",
                enable_idempotence=False,
                linger_ms=5,
                max_request_size=2 * 1024 * 1024,
            )
            await producer.start()
            try:
                sent = []
                for event in events:
                    if isinstance(event, dict):
                        key: bytes | None = event["submission_id"].encode()
                        value, headers = json.dumps(event, ensure_ascii=False).encode(), []
                    else:
                        value, key, headers = (event, None, []) if isinstance(event, bytes) else event
                    sent.append(await producer.send(self.settings.topics.submissions, value, key, headers=headers))
                return [(done.partition, done.offset) for done in await asyncio.gather(*sent)]
            finally:
                await producer.stop()

        return asyncio.run(send())

    def collect(self, expected: int, seconds: float = DEADLINE_SECONDS, member: Member | None = None) -> list[Outcome]:
        """Reads all output topics until `expected` records were seen, then 0.5 s more for duplicates."""

        async def read() -> list[Outcome]:
            topics = self.settings.topics
            reader = AIOKafkaConsumer(
                topics.verdicts,
                topics.dead_letters,
                topics.oom_dead_letters,
                bootstrap_servers=self.settings.kafka.bootstrap,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                enable_auto_commit=False,
            )
            await reader.start()
            outcomes: list[Outcome] = []
            deadline = time.monotonic() + seconds
            try:
                while time.monotonic() < deadline:
                    if member is not None and member.process.poll() is not None:
                        raise AssertionError(f"consumer ended:\n{member.log.read_text()[-3000:]}")
                    batches = await reader.getmany(timeout_ms=200)
                    for records in batches.values():
                        outcomes += [Outcome(r.topic, r.key, r.value, list(r.headers)) for r in records]
                    if len(outcomes) >= expected:
                        deadline = min(deadline, time.monotonic() + 0.5)
                return outcomes
            finally:
                await reader.stop()

        return asyncio.run(read())

    def committed(self, partitions: Sequence[int]) -> list[int | None]:
        """The group's committed offsets."""

        async def read() -> list[int | None]:
            client = AIOKafkaConsumer(
                bootstrap_servers=self.settings.kafka.bootstrap,
                group_id=self.settings.kafka.group,
                enable_auto_commit=False,
            )
            await client.start()
            try:
                topic = self.settings.topics.submissions
                return [await client.committed(TopicPartition(topic, number)) for number in partitions]
            finally:
                await client.stop()

        return asyncio.run(read())
