"""Reading what a group has committed for a partition so that no acknowledged commit can be missing."""

import asyncio
from typing import Any

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import StreamBroken
from consumer.kafka.completion_map import Coverage, MapUnreadable, decode
from consumer.kafka.transactions import Transactions

ASK_SECONDS = 10.0


async def committed_coverage(admin: Any, transactions: Transactions, group: str, tp: TopicPartition) -> Coverage | None:
    """Asks the very coordinator that has acknowledged a barrier write; None: the group has no commit.

    `admin` is aiokafka's admin client. Raises KafkaError or TimeoutError to be tried again, MustRejoin, or
    StreamBroken when another version wrote the commit.
    """
    async with asyncio.timeout(ASK_SECONDS):
        coordinator = await admin.find_coordinator(group)
        await transactions.barrier()
        answer = await admin.list_consumer_group_offsets(group, group_coordinator_id=coordinator, partitions=[tp])
    found: OffsetAndMetadata | None = answer.get(tp)
    if found is None:
        raise TimeoutError(f"the coordinator gave no answer for {tp}: it may be moving")
    if found.offset == -1:
        return None
    try:
        return decode(found.offset, found.metadata)
    except MapUnreadable as error:
        raise StreamBroken(
            f"{tp.topic}[{tp.partition}]: {error}. Run the version that wrote it, or see RUNBOOK: upgrade and rollback"
        ) from error
