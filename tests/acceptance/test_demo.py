"""`advet demo`, `advet submit` and `advet tail` as a person runs them: own processes, real signals."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from consumer.cli.tail import as_record
from consumer.demo.ads import PICTURES
from consumer.demo.runner import demo_stack
from consumer.kafka.reader import OutcomeReader, Output
from consumer.local.stack import LocalStack, StackPlan
from consumer.submit import AdCopy, build_submission
from schemas import AdVerdict, Category
from tests.processes import exists

ADVET = (sys.executable, "-m", "consumer")
DEADLINE_SECONDS = 300
KEYS = {"submitted", "verdicts", "dead_letters", "by_decision", "by_reason", "expected", "as_expected"}


def advet(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*ADVET, *arguments], input=stdin, capture_output=True, timeout=DEADLINE_SECONDS, check=False)


@contextmanager
def demo(temporary: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*ADVET, "demo", "--json", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "COLUMNS": "100"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def descendants(pid: int) -> set[int]:
    """Children of a process, theirs, and so on."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found |= {child} | descendants(child)
    return found


@pytest.mark.parametrize("broker", ["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_nothing_is_lost_or_doubled_and_all_ends_as_the_law_says(broker: str, tmp_path: Path) -> None:
    with demo(tmp_path, "--broker", broker) as process:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    assert process.returncode == 0, err
    facts: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert facts.keys() == {*KEYS, "lost", "duplicates", "seconds"}
    assert facts["submitted"] == facts["verdicts"] + facts["dead_letters"] == facts["as_expected"]
    assert (facts["lost"], facts["duplicates"]) == (0, 0)
    assert ("exactly_once" if broker == "kafka" else "at_least_once") in err
    assert "policy.unchecked = approve" in err
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_misses_its_deadline_fails_and_says_what_is_lost(tmp_path: Path) -> None:
    with demo(tmp_path, "--deadline", "1") as process:
        out, err = process.communicate(timeout=DEADLINE_SECONDS)
    facts = json.loads(out.splitlines()[-1])
    assert process.returncode == 1
    assert facts["lost"] > 0
    assert "otc-cold: lost" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_kept_demo_ends_every_process_when_told_to(number: signal.Signals, tmp_path: Path) -> None:
    with demo(tmp_path, "--keep", "--deadline", "1") as process:
        assert process.stdout is not None
        json.loads(process.stdout.readline())
        started = descendants(process.pid)
        assert len(started) >= 3
        process.send_signal(number)
        process.communicate(timeout=60)
    assert not [pid for pid in started if exists(pid)]
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_stopped_halfway_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:  # the introduction ends with a frame; then the stack starts
            if line.startswith("╰"):
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


@asynccontextmanager
async def stack(folder: Path) -> AsyncIterator[tuple[LocalStack, str]]:
    async with LocalStack(StackPlan()) as running:
        running.write_config(folder / "advet.toml")
        yield running, str(folder / "advet.toml")


async def outputs_from_end(running: LocalStack) -> list[Output]:
    async with OutcomeReader(running.settings, from_beginning=False) as reader:
        return [output async for output in reader.outputs(follow=False)]


def test_submit_uploads_pins_and_sends(tmp_path: Path) -> None:
    """The real consumer judges what `advet submit` handed in; `advet tail` shows it."""

    async def run() -> None:
        async with demo_stack("embedded") as running:
            async with OutcomeReader(running.settings, from_beginning=False) as reader:
                picture = str(PICTURES / "finance-guaranteed.webp")
                flags = ("--category", "finance", "--config", str(running.config), "--json")
                sent = await asyncio.to_thread(advet, "submit", picture, *flags)
                assert sent.returncode == 0, sent.stderr
                name = json.loads(sent.stdout)["submission_id"]
                async with asyncio.timeout(DEADLINE_SECONDS):
                    output = await anext(reader.outputs(follow=True))
            assert output.key == name
            assert isinstance(output.item, AdVerdict)
            assert output.item.decision == "reject"
            shown = await asyncio.to_thread(
                advet, "tail", "--config", str(running.config), "--from-beginning", "--json"
            )
            assert [json.loads(line) for line in shown.stdout.splitlines()] == [as_record(output)]
            assert await outputs_from_end(running.stack) == []

    asyncio.run(run())


def test_an_event_is_sent_as_it_is(tmp_path: Path) -> None:
    """Also an invalid one: the topic holds exactly the bytes that were given."""

    async def run() -> None:
        async with stack(tmp_path) as (running, config):
            value = (
                build_submission("mine", [], AdCopy(Category.FOOD, title="酸奶"), bucket="ad-creatives").value + b"\n"
            )
            for event in (value, b"{not json"):
                sent = await asyncio.to_thread(advet, "submit", "--event", "-", "--config", config, stdin=event)
                assert sent.returncode == 0, sent.stderr
            assert await submitted(running, 2) == sorted([(b"mine", value), (None, b"{not json")], key=str)

    asyncio.run(run())


async def submitted(running: LocalStack, count: int) -> list[tuple[bytes | None, bytes]]:
    """Key and value of the first records on the submissions topic, read by a client of its own."""
    topic = running.settings.topics.submissions
    client = AIOKafkaConsumer(topic, bootstrap_servers=running.bootstrap, auto_offset_reset="earliest")
    await client.start()
    try:
        async with asyncio.timeout(30):
            return sorted(
                [(record.key, record.value) for record in [await client.getone() for _ in range(count)]], key=str
            )
    finally:
        await client.stop()


def test_submit_without_category_says_what_to_do() -> None:
    refused = advet("submit", "--title", "t")
    assert refused.returncode == 2
    assert b"--category is needed" in refused.stderr


def test_tail_without_broker_says_what_to_do() -> None:
    refused = advet("tail", "--kafka-bootstrap", "127.0.0.1:1")
    assert refused.returncode == 1
    assert b"check kafka.bootstrap" in refused.stderr
