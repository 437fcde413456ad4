"""`advet local` as an operator runs it: its own process, real signals, real children."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from consumer.creatives.store_check import check_bucket
from consumer.settings import Settings, load

DEADLINE_SECONDS = 60
ADVET = (sys.executable, "-m", "consumer")
LOGS = {"replays", "consumers"}
"""Compacted topics of one partition each."""


def advet(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run([*ADVET, *arguments], capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False)


class Local:
    """A running `advet local`."""

    def __init__(self, process: subprocess.Popen[str], facts: dict[str, Any], children: list[int]) -> None:
        self.process = process
        self.facts = facts
        self.children = children

    @property
    def settings(self) -> Settings:
        """As `advet run --config` would read them."""
        return load({}, Path(self.facts["config"])).settings

    def wait(self) -> tuple[int, str, str]:
        """Exit status, the rest of stdout, stderr."""
        out, err = self.process.communicate(timeout=DEADLINE_SECONDS)
        return self.process.returncode, out, err


@contextmanager
def local(temporary: Path, *arguments: str) -> Iterator[Local]:
    """Starts it with its temporary files under `temporary` and waits for the line that says it is ready."""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(
        [*ADVET, "local", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield Local(process, json.loads(line), children_of(process.pid))
    finally:
        process.kill()
        process.communicate()


def children_of(pid: int) -> list[int]:
    """Direct children, from /proc."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def running(pid: int) -> bool:
    """Whether the process lives (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], bool]) -> None:
    """Polls a fact of the operating system that offers no event."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "not within 10 s"
        os.sched_yield()


async def round_trip(settings: Settings) -> bytes:
    """One record through the input topic, as any client would do it."""
    topic, bootstrap = settings.topics.submissions, settings.kafka.bootstrap
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, b"hello")
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer, asyncio.timeout(DEADLINE_SECONDS):
        value: bytes = (await consumer.getone()).value
        return value


def test_everything_works_and_sigterm_ends_everything(work: Path) -> None:
    """One JSON line; records and objects flow with what it wrote; afterwards no process and no file is left."""
    temporary = work / "tmp"
    temporary.mkdir()
    with local(temporary, "--partitions", "3") as stack:
        assert set(stack.facts) == {
            "kafka", "s3_endpoint", "s3_access_key", "s3_secret_key", "bucket", "topics", "config"
        }  # fmt: skip
        config = Path(stack.facts["config"])
        assert config == work / "advet.local.toml"
        assert config.stat().st_mode & 0o777 == 0o600
        assert stack.settings.kafka.bootstrap == stack.facts["kafka"]
        assert asyncio.run(round_trip(stack.settings)) == b"hello"
        assert check_bucket(stack.settings.storage, stack.facts["bucket"]).usable
        listed = json.loads(advet("topics", "list", "--json", "--config", str(config)).stdout)
        assert {role: topic["name"] for role, topic in listed.items()} == stack.facts["topics"]
        assert {topic["partitions"] for role, topic in listed.items() if role not in LOGS} == {3}
        assert len(stack.children) == 2
        stack.process.send_signal(signal.SIGTERM)
        code, rest, err = stack.wait()
        assert (code, rest) == (0, "")
        assert stack.facts["s3_secret_key"] not in err
        assert not any(running(pid) for pid in stack.children)
        port = urlsplit(stack.facts["s3_endpoint"]).port
        assert not list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock"))
    assert list(temporary.iterdir()) == []


def test_settings_of_a_running_stack_are_not_written_over(work: Path) -> None:
    """A second one in the same folder says so and starts nothing; the first goes on."""
    with local(work) as stack:
        before = Path(stack.facts["config"]).read_text()
        second = advet("local")
        assert second.returncode == 4
        assert "is running" in second.stderr
        assert Path(stack.facts["config"]).read_text() == before
        assert check_bucket(stack.settings.storage, stack.facts["bucket"]).usable


def test_kill_9_leaves_no_orphan(work: Path) -> None:
    """No clean-up code runs, the children end nevertheless."""
    with local(work) as stack:
        assert len(stack.children) == 2
        stack.process.kill()
        stack.wait()
        until(lambda: not any(running(pid) for pid in stack.children))


@pytest.mark.parametrize("name", ["embedded-broker", "object-store"])
def test_child_that_dies_ends_the_command(work: Path, name: str) -> None:
    """Exit 1, says which one, and takes the other with it."""
    binary = {"embedded-broker": "tansu", "object-store": "weed"}[name]
    with local(work) as stack:
        (victim,) = [pid for pid in stack.children if Path(f"/proc/{pid}/exe").resolve().name == binary]
        os.kill(victim, signal.SIGKILL)
        code, _, err = stack.wait()
        assert code == 1
        assert f"{name} ended by itself with status -9" in err
        assert not any(running(pid) for pid in stack.children)


def test_existing_broker_is_used_and_left_alone(work: Path, embedded_broker: Any) -> None:
    """`--kafka` starts the store only."""
    with local(work, "--kafka", embedded_broker.bootstrap) as stack:
        assert stack.facts["kafka"] == embedded_broker.bootstrap
        assert len(stack.children) == 1
        stack.process.send_signal(signal.SIGINT)
        assert stack.wait()[0] == 0
    assert embedded_broker.child.alive


def test_unreachable_existing_broker_is_refused(work: Path) -> None:
    """Exit 4 with the cause, no process left, no JSON line."""
    done = advet("local", "--kafka", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (4, "")
    assert "connection refused" in done.stderr


def test_data_folder_keeps_records(work: Path) -> None:
    """With `--data` a second start finds what the first one took."""
    for expected in ({"ad-submissions": b"hello"}, None):
        with local(work, "--data", str(work / "data"), "--partitions", "1") as stack:
            if expected is not None:
                assert asyncio.run(round_trip(stack.settings)) == b"hello"
            else:
                assert asyncio.run(_first(stack.settings)) == b"hello"
            stack.process.send_signal(signal.SIGTERM)
            assert stack.wait()[0] == 0


async def _first(settings: Settings) -> bytes:
    consumer = AIOKafkaConsumer(
        settings.topics.submissions, bootstrap_servers=settings.kafka.bootstrap, auto_offset_reset="earliest"
    )
    async with consumer, asyncio.timeout(DEADLINE_SECONDS):
        value: bytes = (await consumer.getone()).value
        return value


@pytest.mark.kafka
def test_apache_kafka(work: Path, apache_kafka: object) -> None:
    """The same command on a real Apache Kafka."""
    with local(work, "--broker", "kafka") as stack:
        assert asyncio.run(round_trip(stack.settings)) == b"hello"
        done = advet("doctor", "--json", "--config", stack.facts["config"])
        report = json.loads(done.stdout)
        assert [check for check in report["checks"] if check["status"] == "fail"] == []
        assert done.returncode == 0
        stack.process.send_signal(signal.SIGTERM)
        assert stack.wait()[0] == 0
        assert not any(running(pid) for pid in stack.children)
