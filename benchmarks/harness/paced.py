"""Latency and cost at a fixed rate: from handing an event over until a read_committed reader has its verdict."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.harness.contender import Contender, Running, started
from benchmarks.harness.drain import faults
from benchmarks.harness.ground import Ground, unique
from benchmarks.harness.usage import Sample, Spent, peak_rss_bytes

JOIN_SECONDS = 60.0
LAST_SECONDS = 15.0
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Paced:
    """One run."""

    contender: str
    round: int
    rate: float
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms_per_event: float
    contender_share: float
    broker_share: float
    strangers_share: float
    peak_rss_mib: float
    transactions_per_partition_second: float | None
    idle_transactions: float | None
    stall_ms: float | None
    """Longest block of advet's event loop, in the last minute of the run."""
    lost: int
    duplicates: int


class Receipts:
    """When each event was sent, and when its verdict came. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.received: dict[str, float] = {}
        self.written: Counter[str] = Counter()
        self._heard = asyncio.Event()

    async def listen(self, reader: AIOKafkaConsumer) -> None:
        """Until it is cancelled."""
        while True:
            batches = await reader.getmany(timeout_ms=1000)
            now = time.monotonic()
            for records in batches.values():
                for record in records:
                    name = record.key.decode()
                    self.written[name] += 1
                    self.received.setdefault(name, now)
            self._heard.set()

    async def wait(self, seconds: float) -> None:
        """Until every event that was sent has its verdict, at most `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.received) < len(self.sent):
                    self._heard.clear()
                    await self._heard.wait()


async def paced(contender: Contender, ground: Ground, rate: float, seconds: float, number: int, folder: Path) -> Paced:
    """One contender at `rate` events a second."""
    source = unique("paced")
    await ground.topics(source)
    async with started(contender, ground, source, folder, full=False, broker_time=False) as running:
        reader = AIOKafkaConsumer(
            running.task.target,
            bootstrap_servers=ground.bootstrap,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        producer = AIOKafkaProducer(bootstrap_servers=ground.bootstrap, acks="all", linger_ms=ground.plan.linger_ms)
        async with reader, producer:
            receipts = Receipts()
            listening = asyncio.create_task(receipts.listen(reader))
            try:
                return await _measure(contender, ground, running, producer, receipts, (rate, seconds, number))
            finally:
                listening.cancel()


async def _measure(
    contender: Contender,
    ground: Ground,
    running: Running,
    producer: AIOKafkaProducer,
    receipts: Receipts,
    wanted: tuple[float, float, int],
) -> Paced:
    rate, seconds, number = wanted
    pids = (os.getpid(), *ground.pids)
    events = ground.events(10**9, full=False, prefix="paced")
    # until something comes out the contender is still joining its group
    await _send(producer, running, receipts, islice(events, 40), rate)
    deadline = time.monotonic() + JOIN_SECONDS
    while not receipts.received:
        running.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{contender.name} has not begun within {JOIN_SECONDS:g} s")
        await asyncio.sleep(0.05)
    await _send(producer, running, receipts, islice(events, int(rate * ground.plan.warm_up_seconds)), rate)
    transactions, before = await _transactions(running), Sample.take(running.child.pid, ground.broker_pid, pids)
    warm = len(receipts.sent)
    await _send(producer, running, receipts, islice(events, int(rate * seconds)), rate)
    after = Sample.take(running.child.pid, ground.broker_pid, pids)
    committed = await _transactions(running)
    await receipts.wait(LAST_SECONDS)
    stall_ms = await asyncio.to_thread(running.stall_ms)
    idle = await _idle(ground, running)
    spent = Spent.between(before, after)
    measured = list(islice(receipts.sent, warm, None))
    latencies = sorted(receipts.received[name] - receipts.sent[name] for name in measured if name in receipts.received)
    partitions = ground.plan.partitions
    per_second = None if transactions is None or committed is None else (committed - transactions) / spent.seconds
    return Paced(
        contender.name,
        number,
        rate,
        spent.seconds,
        1000 * latencies[len(latencies) // 2],
        1000 * latencies[int(len(latencies) * 0.99)],
        1000 * latencies[-1],
        1000 * spent.contender_cpu_seconds / len(measured),
        spent.contender_share,
        spent.broker_share,
        spent.strangers_share,
        peak_rss_bytes(running.child.pid) / 2**20,
        None if per_second is None else per_second / partitions,
        idle,
        stall_ms,
        *faults(receipts.written, receipts.sent),
    )


async def _send(
    producer: AIOKafkaProducer,
    running: Running,
    receipts: Receipts,
    events: Iterator[tuple[str, bytes]],
    rate: float,
) -> None:
    began = time.monotonic()
    for number, (name, value) in enumerate(events):
        wait_seconds = began + number / rate - time.monotonic()
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        receipts.sent[name] = time.monotonic()
        await producer.send(running.task.source, value, name.encode())
    running.check()


async def _transactions(running: Running) -> float | None:
    return await asyncio.to_thread(running.transactions) if running.task.guarantee == "exactly_once" else None


async def _idle(ground: Ground, running: Running) -> float | None:
    """Transactions while nothing comes in."""
    await asyncio.sleep(SETTLE_SECONDS)
    before = await _transactions(running)
    if before is None:
        return None
    await asyncio.sleep(ground.plan.idle_seconds)
    after = await _transactions(running)
    return None if after is None else after - before
