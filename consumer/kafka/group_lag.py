"""What Kafka says about a group and its input: ends, commits with their completion maps, members, the next record.

Nothing here belongs to the group, so it works while no consumer runs, and disturbs none. What the figures mean is
`consumer.lag`'s business.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from aiokafka.structs import OffsetAndMetadata

from consumer.errors import StreamBroken
from consumer.kafka.admin import admin_client
from consumer.kafka.completion_map import Coverage, MapUnreadable, decode
from consumer.kafka.connection import cannot_read, client_options, topic_partition
from consumer.kafka.group import GroupState, describe_group, group_offsets
from consumer.kafka.peek import Peek, Seen, Want
from consumer.kafka.positions import start_position
from consumer.kafka.topics import Topic, existing_topics
from consumer.messages import Partition, RawRecord
from consumer.settings import Settings

LOOK_AHEAD_RECORDS = 64
"""Unfinished records that are looked at: so far markers of transactions are told from records."""
LOOK_AHEAD_BYTES = 256 * 1024
"""But not more than so many of a partition: a topic may hold large records."""
NEWS_RECORDS = 1000
ANSWER_SECONDS = 15.0
"""For all questions about the group together: old figures are worse than none."""


@dataclass(frozen=True, slots=True)
class PartitionSight:
    """One input partition, seen at one moment."""

    partition: Partition
    first: int
    """Lowest offset that retention has left."""
    end: int
    """High watermark: the offset of the next record."""
    low: int
    """Lowest unfinished offset: the committed one, or where `kafka.start` begins."""
    committed: bool
    """Whether the group has committed anything."""
    finished: int
    """Finished records above `low`."""
    gaps: int
    """Offsets from `low` on, as far as was looked, that hold no record."""
    oldest_ms: int | None
    """Kafka timestamp of the lowest unfinished record; None: there is none, or it holds no time."""
    map_unreadable: bool = False
    """The commit's metadata is another version's: finished records above `low` are not known."""


@dataclass(frozen=True, slots=True)
class GroupSight:
    """The group and its input, seen at one moment."""

    at_seconds: float
    """Unix time."""
    group: GroupState
    partitions: tuple[PartitionSight, ...]
    retention_seconds: float | None
    """Of the input; infinite without a limit, None where the broker does not say."""


@dataclass(frozen=True, slots=True)
class TopicSight:
    """A topic of dead letters."""

    topic: str
    records: int
    """Exact while there are few in a partition; beyond that markers of transactions are counted as well."""
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class _Clients:
    admin: AIOKafkaAdminClient
    client: AIOKafkaClient
    peek: Peek


class GroupLook:
    """Made by `looking_at`; any number of looks over the same connections, all of which raise StreamBroken,
    StartRefused or GroupRefused. After one of these make a new one.
    """

    def __init__(self, settings: Settings, clients: _Clients) -> None:
        self._settings = settings
        self._clients = clients
        self._positions: dict[Partition, int] = {}

    async def group(self, numbers: Collection[int] | None = None) -> GroupSight:
        """The group and its input; `numbers` limits it to these partitions."""
        kafka, name = self._settings.kafka, self._settings.topics.submissions
        topic = (await self.topics([name])).get(name)
        if topic is None:
            raise StreamBroken(f"{name}: no such topic at {kafka.bootstrap}; run `advet topics apply`")
        wanted = range(topic.partitions) if numbers is None else sorted(set(numbers) & set(range(topic.partitions)))
        partitions = [TopicPartition(name, number) for number in wanted]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                # commits before ends: the other way round a commit could lie beyond the end
                commits = await group_offsets(self._clients.admin, kafka.group, partitions) if partitions else {}
                coordinator = await self._clients.admin.find_coordinator(kafka.group)
                group = await describe_group(self._clients.client, kafka.group, coordinator)
                coverages = {tp: await self._coverage(tp, commits) for tp in partitions}
        except (KafkaError, TimeoutError) as error:
            raise StreamBroken(cannot_read(kafka, error)) from error
        seen = await self._clients.peek.look(
            {
                Partition(tp.topic, tp.partition): _ahead(coverage.low, coverage.finished)
                for tp, (coverage, _) in coverages.items()
            }
        )
        sights = tuple(
            _sight(partition, found, commits[topic_partition(partition)], *coverages[topic_partition(partition)])
            for partition, found in seen.items()
        )
        return GroupSight(time.time(), group, sights, _retention_seconds(topic))

    async def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Those that exist."""
        try:
            return await existing_topics(self._clients.admin, names)
        except KafkaError as error:
            raise StreamBroken(cannot_read(self._settings.kafka, error)) from error

    async def sizes(self, topics: Iterable[Topic]) -> list[TopicSight]:
        """How much lies in topics that nobody commits offsets of, and how old the oldest is."""
        chosen = list(topics)
        wants = {Partition(t.name, n): _ahead() for t in chosen for n in range(t.partitions)}
        seen = await self._clients.peek.look(wants)
        return [_size(topic.name, [s for p, s in seen.items() if p.topic == topic.name]) for topic in chosen]

    async def left(self, group: str, stretches: Mapping[Partition, range]) -> int:
        """Offsets of the stretches that another group has not committed."""
        try:
            tps = {topic_partition(partition): stretch for partition, stretch in stretches.items()}
            commits = await group_offsets(self._clients.admin, group, list(tps)) if tps else {}
        except KafkaError as error:
            raise StreamBroken(cannot_read(self._settings.kafka, error)) from error
        return sum(max(0, tps[tp].stop - max(tps[tp].start, commit.offset)) for tp, commit in commits.items())

    async def news(self, topic: Topic, last: int | None = None) -> AsyncGenerator[RawRecord]:
        """What has been appended since the last call; the first one begins `last` offsets before the end, or at the
        beginning.
        """
        waiting = [Partition(topic.name, number) for number in range(topic.partitions)]
        while waiting:
            wants = {p: Want(self._positions.get(p), last, NEWS_RECORDS) for p in waiting}
            seen = await self._clients.peek.look(wants)
            for partition, found in seen.items():
                self._positions[partition] = found.position
                for record in found.records:
                    yield record
            waiting = [p for p in waiting if len(seen[p].records) >= NEWS_RECORDS]

    async def _coverage(
        self, tp: TopicPartition, commits: Mapping[TopicPartition, OffsetAndMetadata]
    ) -> tuple[Coverage, bool]:
        """Where the group stands, and whether its completion map could be read."""
        commit = commits.get(tp)
        if commit is None:
            raise StreamBroken(f"the coordinator of group {self._settings.kafka.group} is moving: try again")
        if commit.offset < 0:
            return Coverage(await start_position(self._clients.peek.consumer, tp, self._settings.kafka.start)), True
        try:
            return decode(commit.offset, commit.metadata), True
        except MapUnreadable:
            return Coverage(commit.offset), False


@asynccontextmanager
async def looking_at(settings: Settings) -> AsyncIterator[GroupLook]:
    """Connects. Raises StartRefused that names the step which fails, or StreamBroken."""
    async with admin_client(settings.kafka) as admin, Peek(settings.kafka) as peek:
        client = AIOKafkaClient(**client_options(settings.kafka))
        try:
            await client.bootstrap()
            yield GroupLook(settings, _Clients(admin, client, peek))
        except UnknownTopicOrPartitionError as error:
            raise StreamBroken(f"a topic has just been deleted: {error}") from error
        except KafkaError as error:
            raise StreamBroken(cannot_read(settings.kafka, error)) from error
        finally:
            await client.close()


async def oldest_unfinished_seconds(settings: Settings) -> float:
    """Age of the oldest record of the input that the group has not finished; 0 when all are.

    Raises StreamBroken, StartRefused or GroupRefused.
    """
    async with looking_at(settings) as look:
        sight = await look.group()
    oldest = min((p.oldest_ms for p in sight.partitions if p.oldest_ms is not None), default=None)
    return 0.0 if oldest is None else max(0.0, sight.at_seconds - oldest / 1000)


def _ahead(begin: int | None = None, passing: frozenset[int] = frozenset()) -> Want:
    return Want(begin, most=LOOK_AHEAD_RECORDS, most_bytes=LOOK_AHEAD_BYTES, passing=passing)


def _sight(
    partition: Partition, seen: Seen, commit: OffsetAndMetadata, coverage: Coverage, map_read: bool
) -> PartitionSight:
    at = seen.records[0].recorded_at if seen.records else None
    return PartitionSight(
        partition,
        first=seen.first,
        end=seen.end,
        low=coverage.low,
        committed=commit.offset >= 0,
        finished=len(coverage.finished),
        gaps=seen.gaps,
        oldest_ms=None if at is None else seen.records[0].timestamp_ms,
        map_unreadable=not map_read,
    )


def _size(topic: str, seen: Collection[Seen]) -> TopicSight:
    times = [s.records[0].timestamp_ms for s in seen if s.records and s.records[0].recorded_at is not None]
    return TopicSight(topic, sum(s.end - s.begin - s.gaps for s in seen), min(times, default=None))


def _retention_seconds(topic: Topic) -> float | None:
    kept_ms = topic.configs.get("retention.ms")
    if kept_ms is None:
        return None
    return float("inf") if int(kept_ms) < 0 else int(kept_ms) / 1000
