"""What a series of looks tells: rates, and partitions that do not get on. Pure: times are handed in."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from consumer.kafka.group_lag import GroupSight
from consumer.lag.figures import Rates, remaining
from consumer.messages import Partition

RATE_SECONDS = 60.0
"""Looks that are older do not count any more."""


FULL = frozenset({"records", "bytes", "screening", "window", "isolated", "activating", "draining"})
"""Pauses that say how full or busy an owner is, not what stops it: for long they are no excuse."""


@dataclass(frozen=True, slots=True)
class _Point:
    at_seconds: float
    appended: int
    finished: int


class History:
    """The looks at one group, oldest first; keeps a minute of them."""

    def __init__(self, stuck_seconds: float) -> None:
        self._stuck_seconds = stuck_seconds
        self._points: dict[Partition, deque[_Point]] = {}
        self._progress: dict[Partition, tuple[int, float]] = {}
        """Partition → finished total, and since when it might be stuck."""

    def add(self, sight: GroupSight, assigned: frozenset[Partition], paused: Mapping[int, tuple[str, ...]]) -> None:
        """Takes a look; `paused` holds partition → reasons."""
        now = sight.at_seconds
        for seen in sight.partitions:
            point = _Point(now, seen.end, seen.low + seen.finished)
            points = self._points.setdefault(seen.partition, deque())
            points.append(point)
            while points[0].at_seconds < now - RATE_SECONDS and len(points) > 2:
                points.popleft()
            stopped = not FULL.issuperset(paused.get(seen.partition.number, ()))
            free = remaining(seen) > 0 and seen.partition in assigned and not stopped
            before = self._progress.get(seen.partition)
            if not free or before is None or before[0] != point.finished:
                self._progress[seen.partition] = (point.finished, now)
        for gone in self._points.keys() - {seen.partition for seen in sight.partitions}:
            del self._points[gone], self._progress[gone]

    def rates(self) -> dict[Partition, Rates]:
        """Of partitions that were seen twice at least; what ran backwards counts as standing still."""
        return {
            partition: _rates(points[0], points[-1]) for partition, points in self._points.items() if len(points) > 1
        }

    def stuck(self) -> frozenset[Partition]:
        """Partitions with something to do and an owner that nothing stops, and that have not got on for too long."""
        return frozenset(
            partition
            for partition, (_, since) in self._progress.items()
            if self._points[partition][-1].at_seconds - since >= self._stuck_seconds
        )


def _rates(old: _Point, new: _Point) -> Rates:
    seconds = new.at_seconds - old.at_seconds
    if seconds <= 0:  # the clock was set back
        return Rates()
    return Rates(
        max(0, new.appended - old.appended) / seconds,
        max(0, new.finished - old.finished) / seconds,
    )
