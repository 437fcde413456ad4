"""What a consumer group has committed, seen from outside the group."""

import asyncio
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import DescribeGroupsRequest_v2
from aiokafka.protocol.api import Request
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import AdvetError
from consumer.kafka.admin import admin_client
from consumer.kafka.connection import client_options
from consumer.kafka.topics import existing_topics
from consumer.messages import Partition
from consumer.settings import KafkaSettings

NO_MEMBERS = frozenset({"Empty", "Dead"})
COORDINATOR_PAUSES_SECONDS = (0.2, 0.4, 0.8, 1.6)
"""A new cluster makes its offsets topic at the first question, and a coordinator may be moving."""


class GroupRefused(AdvetError):
    """The broker does not let this user look at the group."""


async def committed_offsets(settings: KafkaSettings, topic: str) -> dict[int, int | None]:
    """Partition → committed offset of `settings.group`, None without a commit. Empty when the topic is missing."""
    async with admin_client(settings) as admin:
        found = (await existing_topics(admin, [topic])).get(topic)
        if found is None:
            return {}
        partitions = [TopicPartition(topic, number) for number in range(found.partitions)]
        offsets = await group_offsets(admin, settings.group, partitions)
    # -1 means no commit; a partition left out means that the coordinator is moving, so nothing is known.
    return {p.partition: value.offset for p, value in offsets.items()} | {
        p.partition: None for p in partitions if p not in offsets or offsets[p].offset < 0
    }


async def group_offsets(
    admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Offset and metadata of each partition; -1 without a commit. Raises GroupRefused.

    A partition that is left out has no known state: the coordinator is moving.
    """
    for pause_seconds in (*COORDINATOR_PAUSES_SECONDS, None):
        try:
            offsets: dict[TopicPartition, OffsetAndMetadata] = await admin.list_consumer_group_offsets(
                group, partitions=partitions
            )
        except KafkaError as error:
            if not error.retriable or pause_seconds is None:
                raise GroupRefused(f"cannot look at group {group}: {type(error).__name__}") from error
        else:
            return offsets
        await asyncio.sleep(pause_seconds)
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One consumer in the group, and what the group has assigned to it."""

    member: str
    host: str
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class GroupState:
    """A group as its coordinator describes it. `state` is Kafka's word: Stable, Empty, PreparingRebalance, …"""

    state: str
    members: tuple[GroupMember, ...]


async def describe_group(client: AIOKafkaClient, group: str, coordinator: int) -> GroupState:
    """Asks the group's coordinator. Raises KafkaError."""
    await client.ready(coordinator)
    answer = await client.send(coordinator, _DescribeGroup(group))
    [(error_code, _name, state, _type, _protocol, members)] = answer.groups
    if error_code:
        raise for_code(error_code)
    return GroupState(state, tuple(_member(*described) for described in members))


async def has_members(settings: KafkaSettings, coordinator: int) -> bool:
    """Whether anyone is in `settings.group`, asked of its coordinator. Raises KafkaError."""
    client = AIOKafkaClient(**client_options(settings))
    try:
        await client.bootstrap()
        described = await describe_group(client, settings.group, coordinator)
    finally:
        await client.close()
    return described.state not in NO_MEMBERS


def _member(member: str, _client: str, host: str, _metadata: bytes, assignment: bytes) -> GroupMember:
    # empty while the group rebalances
    assigned = ConsumerProtocolMemberAssignment.decode(assignment).partitions() if assignment else ()
    return GroupMember(member, host.lstrip("/"), tuple(Partition(tp.topic, tp.partition) for tp in assigned))


class _DescribeGroup(Request[DescribeGroupsRequest_v2]):  # type: ignore[misc]  # aiokafka ships no types
    """At most version 2: aiokafka decodes the answer to version 3 by the wrong schema."""

    API_KEY = DescribeGroupsRequest_v2.API_KEY

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequest_v2]) -> DescribeGroupsRequest_v2:
        return request_struct_class([self._group])
