"""What a consumer group has committed, seen from outside the group."""

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from consumer.errors import AdvetError
from consumer.kafka.admin import admin_client
from consumer.kafka.topics import existing_topics
from consumer.settings import KafkaSettings


class GroupRefused(AdvetError):
    """The broker does not let this user look at the group."""


async def committed_offsets(settings: KafkaSettings, topic: str) -> dict[int, int | None]:
    """Partition → committed offset of `settings.group`, None without a commit. Empty when the topic is missing."""
    async with admin_client(settings) as admin:
        found = (await existing_topics(admin, [topic])).get(topic)
        if found is None:
            return {}
        partitions = [TopicPartition(topic, number) for number in range(found.partitions)]
        try:
            offsets = await admin.list_consumer_group_offsets(settings.group, partitions=partitions)
        except KafkaError as error:
            raise GroupRefused(f"cannot look at group {settings.group}: {type(error).__name__}") from error
    # -1 means no commit; a partition left out means that the coordinator is moving, so nothing is known.
    return {p.partition: value.offset for p, value in offsets.items()} | {
        p.partition: None for p in partitions if p not in offsets or offsets[p].offset < 0
    }
