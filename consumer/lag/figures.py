"""The figures of lag, from what was seen of a group. Pure: no I/O, no clock.

remaining     end − low − finished above low − offsets seen to hold no record: what is left to judge
offsets       end − low: what tools show that know nothing of the completion map
age           now − Kafka timestamp of the lowest unfinished record
drain         remaining / (out rate − in rate)
GPU-seconds   remaining × mean seconds of an ad
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consumer.kafka.group import GroupMember
from consumer.kafka.group_lag import GroupSight, PartitionSight, TopicSight
from consumer.messages import Partition


@dataclass(frozen=True, slots=True)
class Rates:
    """Records a second over the last looks."""

    appended: float = 0.0
    finished: float = 0.0


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of the input."""

    partition: Partition
    remaining: int
    offsets: int
    appended_total: int
    """The end offset: only its growth means something."""
    finished_total: int
    """The same for what is finished."""
    oldest_at_seconds: float | None
    """Unix time of the oldest unfinished record; None when there is none."""
    assigned: bool
    paused: tuple[str, ...]
    rates: Rates | None
    """None until there were two looks."""
    stuck: bool
    """Assigned, not stopped by an outage, the breaker or the GPU, something to do, and no progress for long."""
    lost: int
    """Unfinished offsets that retention has deleted."""
    committed: bool

    def age_seconds(self, now_seconds: float) -> float:
        """Of the oldest unfinished record; 0 when there is none."""
        return 0.0 if self.oldest_at_seconds is None else max(0.0, now_seconds - self.oldest_at_seconds)


@dataclass(frozen=True, slots=True)
class Run:
    """A replay that has not ended."""

    run_id: str
    status: str
    left: int
    """Letters it has not looked at; with many, markers of transactions are counted as well."""
    resubmitted: int
    quarantined: int
    refused: int


@dataclass(frozen=True, slots=True)
class GroupLag:
    """Everything `advet lag` shows."""

    group: str
    topic: str
    at_seconds: float
    """Unix time of the look."""
    state: str
    members: tuple[GroupMember, ...]
    partitions: tuple[PartitionLag, ...]
    ad_seconds: float | None
    """Mean time of the judge for an ad; None while no consumer has said one."""
    retention_seconds: float | None
    dead_letters: tuple[TopicSight, ...] = ()
    runs: tuple[Run, ...] = ()
    notes: tuple[str, ...] = field(default=())
    """What could not be found out, and what a person should know."""

    @property
    def remaining(self) -> int:
        """Records left to judge."""
        return sum(p.remaining for p in self.partitions)

    @property
    def rates(self) -> Rates | None:
        """Of all partitions; None until there were two looks."""
        known = [p.rates for p in self.partitions if p.rates is not None]
        if not known:
            return None
        return Rates(sum(r.appended for r in known), sum(r.finished for r in known))

    @property
    def drain_seconds(self) -> float | None:
        """Until nothing is left; infinite when it does not shrink, None while the rates are not known."""
        return drain_seconds(self.remaining, self.rates)

    @property
    def gpu_seconds(self) -> float | None:
        """Time of the judge that the remaining ads will take."""
        return gpu_seconds(self.remaining, self.ad_seconds)

    def age_seconds(self, now_seconds: float) -> float:
        """Of the oldest unfinished record of all."""
        return max((p.age_seconds(now_seconds) for p in self.partitions), default=0.0)


def drain_seconds(remaining: int, rates: Rates | None) -> float | None:
    """Remaining over what it shrinks by in a second."""
    if remaining == 0:
        return 0.0
    if rates is None:
        return None
    shrinks = rates.finished - rates.appended
    return remaining / shrinks if shrinks > 0 else math.inf


def gpu_seconds(remaining: int, ad_seconds: float | None) -> float | None:
    """Seconds of the judge for so many ads."""
    if remaining == 0:
        return 0.0
    return None if ad_seconds is None else remaining * ad_seconds


def remaining(sight: PartitionSight) -> int:
    """Records left to judge in a partition."""
    begin = max(sight.low, sight.first)
    return max(0, sight.end - begin - sight.finished - sight.gaps)


def partition_lags(
    sight: GroupSight,
    assigned: frozenset[Partition],
    paused: Mapping[int, tuple[str, ...]],
    rates: Mapping[Partition, Rates] | None = None,
    stuck: frozenset[Partition] = frozenset(),
) -> tuple[PartitionLag, ...]:
    """The figures of each partition. `paused` holds partition → reasons, as consumers report them."""
    return tuple(
        PartitionLag(
            partition=p.partition,
            remaining=remaining(p),
            offsets=max(0, p.end - p.low),
            appended_total=p.end,
            finished_total=p.low + p.finished,
            oldest_at_seconds=None if p.oldest_ms is None else p.oldest_ms / 1000,
            assigned=p.partition in assigned,
            paused=paused.get(p.partition.number, ()),
            rates=None if rates is None else rates.get(p.partition),
            stuck=p.partition in stuck,
            lost=max(0, p.first - p.low) if p.committed else 0,
            committed=p.committed,
        )
        for p in sight.partitions
    )


def assigned_partitions(sight: GroupSight) -> frozenset[Partition]:
    """Those that some member owns."""
    return frozenset(p for member in sight.group.members for p in member.partitions)


def notes_on(partitions: Sequence[PartitionSight]) -> list[str]:
    """What a person should know about the commits."""
    notes = []
    unreadable = [p.partition.number for p in partitions if p.map_unreadable]
    if unreadable:
        notes.append(
            f"partitions {unreadable}: the commit holds a completion map of another version, so records finished ahead "
            "of it count as remaining"
        )
    lost = sum(max(0, p.first - p.low) for p in partitions if p.committed)
    if lost:
        notes.append(f"retention has deleted {lost:,} offsets that were never judged")
    return notes
