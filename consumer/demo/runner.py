"""The demo's run: broker and store, the real consumer as its own process, every ad in, every outcome out.

`demo_stack` starts and ends the processes; `judge_everything` hands in the ads and collects outcomes with a
reader that knows nothing of the consumer.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from consumer.demo.ads import PICTURES, ads, broken_reasons, expectations
from consumer.demo.broken import broken_submissions
from consumer.demo.check import Check, Expected, Outcome, check
from consumer.kafka.reader import OutcomeReader, Output, Unreadable
from consumer.local.process import LOOPBACK, Child, Program, free_ports
from consumer.local.stack import BUCKET, LocalStack, StackPlan
from consumer.settings import Settings
from consumer.submit import AdCopy, Outgoing, build_submission, submit

READY_SECONDS = 120.0
DRAIN_SECONDS = 30.0
LINGER_SECONDS = 2.0
"""How long to keep reading after the last outcome: a second one of the same submission would come now."""
POLL_MS = 200

Phase = Literal["starting", "handing in", "judging"]
Report = Callable[[Phase, int, int], None]
"""Called with the phase, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo: connect with `settings`, look into `folder` for the configuration and the logs."""

    stack: LocalStack
    consumer: Child
    folder: Path
    http_port: int

    @property
    def settings(self) -> Settings:
        """Settings with which any command reaches broker and store."""
        return self.stack.settings

    @property
    def config(self) -> Path:
        """The file for `--config`."""
        return self.folder / "advet.local.toml"


def submissions(submitted_at: datetime) -> tuple[Outgoing, ...]:
    """Every ad of the demo and every broken submission, ready to send."""
    whole = tuple(
        build_submission(
            ad.id,
            [(name, (PICTURES / name).read_bytes()) for name in ad.pictures],
            AdCopy(ad.category, title=ad.title, body=ad.body, advertiser_id=f"demo-{ad.category}", media=ad.media),
            bucket=BUCKET,
            submitted_at=submitted_at,
        )
        for ad in ads()
    )
    return whole + broken_submissions(BUCKET, submitted_at)


@contextlib.asynccontextmanager
async def demo_stack(broker: Literal["embedded", "kafka"]) -> AsyncIterator[Demo]:
    """Starts broker, store and consumer; ends all of them however the block is left. Raises ChildFailed."""
    with tempfile.TemporaryDirectory(prefix="advet-demo-", ignore_cleanup_errors=True) as name:
        async with LocalStack(StackPlan(broker=broker)) as stack:
            folder = Path(name)
            stack.write_config(folder / "advet.local.toml")
            port = free_ports(1)[0]
            consumer = Child.spawn(_consumer_program(folder, port))
            try:
                yield Demo(stack, consumer, folder, port)
            finally:
                await consumer.stop(DRAIN_SECONDS)


def _consumer_program(folder: Path, port: int) -> Program:
    command = (sys.executable, "-m", "consumer", "run", "--config", str(folder / "advet.local.toml"))
    flags = ("--policy-unchecked", "approve", "--http-port", str(port), "--admin-port", "0", "--logs-format", "json")
    return Program("consumer", command + flags, folder)


async def judge_everything(demo: Demo, deadline_seconds: float, report: Report) -> Check:
    """Hands in every submission and collects until each has ended, or the deadline. Times the whole of it.

    Raises ChildFailed when the consumer dies, StreamBroken or StorageUnavailable when broker or store do.
    """
    began = time.monotonic()
    outgoing = submissions(datetime.now(UTC))
    expected = Expected(expectations(), broken_reasons())
    async with OutcomeReader(demo.settings, from_beginning=True) as reader:
        sent = 0

        def on_sent(_ad: Outgoing) -> None:
            nonlocal sent
            sent += 1
            report("handing in", sent, len(outgoing))

        ready = asyncio.create_task(demo.consumer.wait_ready(lambda: _is_ready(demo.http_port), READY_SECONDS))
        try:
            await submit(demo.settings, outgoing, on_sent)
            await ready
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        seen, strays = await _collect(demo, reader, frozenset(expected.names), deadline_seconds, report)
    return check(expected, seen, strays, time.monotonic() - began)


async def _collect(
    demo: Demo, reader: OutcomeReader, names: frozenset[str], deadline_seconds: float, report: Report
) -> tuple[dict[str, list[Outcome]], list[str]]:
    seen: dict[str, list[Outcome]] = defaultdict(list)
    strays: list[str] = []
    end = time.monotonic() + deadline_seconds
    lingering = False
    while time.monotonic() < end:
        for output in await reader.poll(POLL_MS):
            if isinstance(output.item, Unreadable) or output.key not in names:
                strays.append(_describe(output))
            else:
                seen[output.key].append(output.item)
        report("judging", len(seen), len(names))
        if not demo.consumer.alive:
            raise demo.consumer.failure("ended before everything was judged")
        if len(seen) == len(names) and not lingering:
            lingering, end = True, time.monotonic() + LINGER_SECONDS
    return dict(seen), strays


def _describe(output: Output) -> str:
    why = output.item.why if isinstance(output.item, Unreadable) else f"key {output.key!r} was never submitted"
    return f"{output.origin.topic}[{output.origin.partition}]@{output.origin.offset}: {why}"


async def _is_ready(port: int) -> bool:
    """Whether GET /readyz answers 200."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
        status = await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
    return status.split()[1:2] == [b"200"]
