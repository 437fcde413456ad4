"""Where to begin reading a partition that the group has no commit for, and whether a commit still exists."""

from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from consumer.errors import StreamBroken


async def start_position(consumer: AIOKafkaConsumer, tp: TopicPartition, start: str) -> int:
    """The offset that `kafka.start` (earliest, latest or an ISO 8601 time) means for this partition."""
    if start == "earliest":
        return int((await consumer.beginning_offsets([tp]))[tp])
    if start != "latest":
        moment_ms = int(datetime.fromisoformat(start).timestamp() * 1000)
        found = (await consumer.offsets_for_times({tp: moment_ms}))[tp]
        if found is not None:
            return int(found.offset)
    return int((await consumer.end_offsets([tp]))[tp])


async def check_in_range(consumer: AIOKafkaConsumer, tp: TopicPartition, low: int) -> None:
    """Raises StreamBroken when the committed position is gone: going on would skip records silently.

    Raises TimeoutError when it lies beyond the end: a new leader may have to catch up first.
    """
    first = (await consumer.beginning_offsets([tp]))[tp]
    end = (await consumer.end_offsets([tp]))[tp]
    if low < first:
        raise StreamBroken(
            f"{tp.topic}[{tp.partition}]: retention has deleted offsets {low} to {first - 1}, which were never judged. "
            f"To go on at {first}, commit that offset for the group (kafka-consumer-groups --reset-offsets)"
        )
    if low > end:
        raise TimeoutError(
            f"offset {low} is committed, but the partition ends at {end}. If that stays, the topic was made anew: use "
            "another kafka.group, or delete the group's offsets"
        )
