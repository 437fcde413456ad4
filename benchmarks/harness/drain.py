"""Throughput: a contender drains a topic that was filled before; checked afterwards, event by event."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from benchmarks.harness.contender import Contender, Running, started
from benchmarks.harness.ground import Ground
from benchmarks.harness.usage import Sample, Spent, peak_rss_bytes

POLL_SECONDS = 0.2
DRAIN_SECONDS = 120.0
SILENCE_SECONDS = 1.5
WARM_UP_SHARE = 0.1
"""Of the events: neither counted nor timed, so that starting costs nobody anything."""


@dataclass(frozen=True, slots=True)
class Drained:
    """One run."""

    contender: str
    path: str
    round: int
    events: int
    events_per_second: float
    cpu_ms_per_event: float
    broker_cpu_ms_per_event: float
    strangers_share: float
    peak_rss_mib: float
    stall_ms: float | None
    """Longest block of advet's event loop, in the last minute of the run."""
    lost: int
    duplicates: int


async def drain(
    contender: Contender, ground: Ground, source: str, names: Collection[str], number: int, folder: Path, *, full: bool
) -> Drained:
    """One contender, one topic; `names` are the submission ids in it."""
    pids = (os.getpid(), *ground.pids)
    async with started(contender, ground, source, folder, full=full, broker_time=True) as running:
        samples: list[tuple[int, Sample]] = []
        deadline = time.monotonic() + DRAIN_SECONDS
        while not samples or samples[-1][0] < len(names):
            running.check()
            if time.monotonic() > deadline:
                raise running.child.failure(f"had {samples[-1][0]} of {len(names)} events after {DRAIN_SECONDS:g} s")
            await asyncio.sleep(POLL_SECONDS)
            samples.append((await committed(ground, running), Sample.take(running.child.pid, ground.broker_pid, pids)))
        rss = peak_rss_bytes(running.child.pid)
        stall_ms = await asyncio.to_thread(running.stall_ms)
    first = next((i for i, (count, _) in enumerate(samples) if count >= WARM_UP_SHARE * len(names)), 0)
    first = min(first, len(samples) - 2) if len(samples) > 1 else 0
    spent = Spent.between(samples[first][1], samples[-1][1])
    measured = max(1, samples[-1][0] - samples[first][0])
    written, times = await read_all(ground, running.targets, len(names))
    times.sort()
    skipped = int(WARM_UP_SHARE * len(times))
    return Drained(
        contender.name,
        "full" if full else "null",
        number,
        len(names),
        (len(times) - skipped) / max(0.001, times[-1] - times[skipped]),
        1000 * spent.contender_cpu_seconds / measured,
        1000 * spent.broker_share * spent.seconds / measured,
        spent.strangers_share,
        rss / 2**20,
        stall_ms,
        *faults(written, names),
    )


def faults(written: Counter[str], names: Collection[str]) -> tuple[int, int]:
    """Events without an outcome, and outcomes too many."""
    return sum(1 for name in names if name not in written), sum(count - 1 for count in written.values())


async def read_all(ground: Ground, targets: Collection[str], expected: int) -> tuple[Counter[str], list[float]]:
    """Committed outcomes by submission id, and the times (seconds) at which the broker appended them.

    Raises RuntimeError when an event was refused: the contenders are given nothing that should be.
    """
    written: Counter[str] = Counter()
    times: list[float] = []
    reader = AIOKafkaConsumer(
        *targets,
        bootstrap_servers=ground.bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    )
    async with reader:
        heard = time.monotonic()
        while time.monotonic() - heard < SILENCE_SECONDS:
            for tp, records in (await reader.getmany(timeout_ms=200)).items():
                if tp.topic != next(iter(targets)):
                    raise RuntimeError(f"events were refused: {records[0].headers}")
                written.update(record.key.decode() for record in records)
                times += [record.timestamp / 1000 for record in records]
                heard = time.monotonic()
    if not times:
        raise RuntimeError(f"none of {expected} events has an outcome")
    return written, times


async def committed(ground: Ground, running: Running) -> int:
    """Events whose offsets the contender's group has committed, over all partitions."""
    try:
        offsets = await ground.admin.list_consumer_group_offsets(running.task.group)
    except KafkaError as error:
        if not error.retriable:
            raise
        return 0  # the coordinator makes its topic at the first question
    return sum(found.offset for tp, found in offsets.items() if tp.topic == running.task.source and found.offset > 0)
