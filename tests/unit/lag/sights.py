"""Looks at a group, made by hand."""

from consumer.kafka.group import GroupMember, GroupState
from consumer.kafka.group_lag import GroupSight, PartitionSight
from consumer.messages import Partition

TOPIC = "in"


def at(number: int = 0) -> Partition:
    return Partition(TOPIC, number)


def seen(number: int = 0, end: int = 0, low: int = 0, **more: object) -> PartitionSight:
    """A partition without anything special; `more` are its other fields."""
    fields: dict = {"first": 0, "committed": True, "finished": 0, "gaps": 0, "oldest_ms": None} | more
    return PartitionSight(at(number), end=end, low=low, **fields)


def sight(*partitions: PartitionSight, at_seconds: float = 1000.0, owned: tuple[int, ...] = ()) -> GroupSight:
    """A look; one member owns the partitions in `owned`."""
    members = (GroupMember("m-1", "10.0.0.1", tuple(at(number) for number in owned)),) if owned else ()
    return GroupSight(at_seconds, GroupState("Stable" if owned else "Empty", members), partitions, 3600.0)
