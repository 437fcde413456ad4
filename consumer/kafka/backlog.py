"""How long the oldest unfinished record of the live stream has waited."""

import time

from consumer.kafka.group import committed_offsets
from consumer.kafka.scan import Scan
from consumer.messages import Partition
from consumer.settings import Settings

LOOK_AHEAD_OFFSETS = 64
"""Behind a committed offset there may be markers of transactions before the first record."""


async def oldest_unfinished_seconds(settings: Settings) -> float:
    """Age of the oldest record of the input topic that `kafka.group` has not finished; 0 when all are.

    Raises StreamBroken, StartRefused or GroupRefused.
    """
    topic = settings.topics.submissions
    positions = await committed_offsets(settings.kafka, topic)
    begins = {Partition(topic, number): offset or 0 for number, offset in positions.items()}
    oldest_ms: dict[Partition, int] = {}
    only = {p: range(begin, begin + LOOK_AHEAD_OFFSETS) for p, begin in begins.items()}
    async with Scan(settings.kafka, (), only) as scan:
        async for records in scan.batches():
            oldest_ms.setdefault(records[0].partition, records[0].timestamp_ms)
    return max(0.0, time.time() - min(oldest_ms.values()) / 1000) if oldest_ms else 0.0
