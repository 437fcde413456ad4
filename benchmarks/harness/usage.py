"""What processes cost, from /proc: CPU seconds, resident memory, and what the rest of the machine was doing."""

import os
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all its descendants that are alive."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [one for child in task.read_text().split() for one in tree(int(child))]
        except FileNotFoundError:
            continue  # the thread has ended meanwhile
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes, dead children that they have waited for included."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS


def peak_rss_bytes(pid: int) -> int:
    """The most that this one process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds so far of a contender's processes, of the broker and of the whole machine."""

    at: float
    contender: float
    broker: float
    ours: float
    machine: float

    @classmethod
    def take(cls, contender: int, broker: int, others_of_ours: Iterable[int]) -> Self:
        """Now; `others_of_ours` are this program and the store."""
        busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        idle = int(busy[3]) + int(busy[4])
        mine, brokers = cpu_seconds(tree(contender)), cpu_seconds([broker])
        ours = mine + brokers + cpu_seconds(others_of_ours)
        return cls(time.monotonic(), mine, brokers, ours, (sum(map(int, busy[:8])) - idle) / _TICKS)


@dataclass(frozen=True, slots=True)
class Spent:
    """Between two samples; shares are of one core."""

    seconds: float
    contender_cpu_seconds: float
    contender_share: float
    broker_share: float
    strangers_share: float
    """CPU that neither the contenders nor the benchmark used: the noise of a shared machine."""

    @classmethod
    def between(cls, before: Sample, after: Sample) -> Self:
        """`after` was taken later than `before`."""
        seconds = after.at - before.at
        strangers = (after.machine - before.machine) - (after.ours - before.ours)
        return cls(
            seconds,
            after.contender - before.contender,
            (after.contender - before.contender) / seconds,
            (after.broker - before.broker) / seconds,
            max(0.0, strangers / seconds),
        )


def machine() -> dict[str, object]:
    """What the results were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release().partition("-")[0],
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
