"""The topics advet needs, what a cluster has of them, and the difference.

`wanted_topics` and `plan` are pure. `apply` creates what is missing and raises limits; it never deletes, shrinks or
adds partitions to a topic that exists (that would move keys), it reports such differences instead.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, TopicAlreadyExistsError, for_code

from consumer.errors import StartRefused
from consumer.kafka.admin import admin_client
from consumer.settings import DEAD_LETTER_ROOM_BYTES, Settings

DEFAULT_PARTITIONS = 4
BROKER_RECORD_BYTES = 1_048_588
"""Kafka's default `max.message.bytes`."""
DAY_MS = 24 * 60 * 60 * 1000
_SET_ON_TOPIC = 1
"""`config_source` of a value that was set on the topic itself."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the topic table. `setting` is the field of `settings.topics` that holds the name."""

    setting: str
    retention_days: int = 0
    """Of a topic that is not compacted."""
    extra_bytes: int | None = None
    """Largest record: the input's plus this; None leaves the broker's default."""
    cleanup: Literal["delete", "compact"] = "delete"
    partitions: int | None = None
    """None: as the input."""


TABLE = (
    Row("submissions", retention_days=7, extra_bytes=0),
    Row("verdicts", retention_days=30),
    Row("oom_dead_letters", retention_days=30, extra_bytes=DEAD_LETTER_ROOM_BYTES),
    Row("dead_letters", retention_days=30, extra_bytes=DEAD_LETTER_ROOM_BYTES),
    Row("quarantine", retention_days=30, extra_bytes=DEAD_LETTER_ROOM_BYTES),
    Row("replays", cleanup="compact", partitions=1),
    Row("consumers", cleanup="compact", partitions=1),
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as wanted or as it is; `configs` holds only what is known."""

    name: str
    partitions: int
    configs: Mapping[str, str]
    replication: int = 0
    own: Mapping[str, str] | None = None
    """Values set on the topic itself: altering replaces all of them, so they are sent again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan. `differs` is reported and left alone."""

    kind: Literal["create", "raise", "differs", "ok"]
    topic: str
    detail: str
    target: Topic | None = None


def wanted_topics(settings: Settings, input_partitions: int, input_bytes: int = 0) -> tuple[Topic, ...]:
    """The table with the settings' names. `input_bytes` is the input topic's own limit where it is known."""
    names = settings.topics.model_dump()
    largest = max(settings.kafka.max_record_bytes, input_bytes, BROKER_RECORD_BYTES)
    topics = []
    for row in TABLE:
        configs: dict[str, str] = {"cleanup.policy": row.cleanup}
        if row.cleanup == "delete":
            configs["retention.ms"] = str(row.retention_days * DAY_MS)
        if row.extra_bytes is not None:
            configs["max.message.bytes"] = str(largest + row.extra_bytes)
        topics.append(Topic(names[row.setting], row.partitions or input_partitions, configs))
    return tuple(topics)


def plan(wanted: Iterable[Topic], existing: Mapping[str, Topic], brokers: int) -> tuple[Step, ...]:
    """What `apply` would do, one or more steps a topic, in the table's order."""
    replication = 3 if brokers >= 3 else 1
    steps: list[Step] = []
    for topic in wanted:
        found = existing.get(topic.name)
        if found is None:
            configs = {**topic.configs, "min.insync.replicas": "2" if replication == 3 else "1"}
            target = Topic(topic.name, topic.partitions, configs, replication)
            steps.append(Step("create", topic.name, f"{topic.partitions} partitions, {replication} replicas", target))
        else:
            steps += _compare(topic, found, replication) or [Step("ok", topic.name, f"{found.partitions} partitions")]
    return tuple(steps)


def _compare(wanted: Topic, found: Topic, replication: int) -> list[Step]:
    steps = []
    raised = {
        name: value
        for name in ("retention.ms", "max.message.bytes")
        if (value := wanted.configs.get(name)) is not None
        and name in found.configs
        and _limit(found.configs[name]) < _limit(value)
    }
    if raised:
        detail = ", ".join(f"{name} {found.configs[name]} → {value}" for name, value in raised.items())
        target = Topic(wanted.name, found.partitions, {**(found.own or {}), **raised}, found.replication)
        steps.append(Step("raise", wanted.name, detail, target))
    policy = found.configs.get("cleanup.policy")
    if policy is not None and policy != wanted.configs["cleanup.policy"]:
        advice = "change it by hand if nobody relies on it"
        detail = f"cleanup.policy is {policy}, not {wanted.configs['cleanup.policy']}: {advice}"
        steps.append(Step("differs", wanted.name, detail))
    if found.partitions < wanted.partitions:
        detail = f"{found.partitions} partitions, not {wanted.partitions}: adding some moves keys, so do it by hand"
        steps.append(Step("differs", wanted.name, detail))
    if found.replication < replication:
        detail = f"{found.replication} replicas, not {replication}: reassign the partitions by hand"
        steps.append(Step("differs", wanted.name, detail))
    return steps


def _limit(value: str) -> float:
    return math.inf if value == "-1" else int(value)


async def existing_topics(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, Topic]:
    """Those of `names` that exist, with partitions, replicas and configs."""
    # Asking for a missing topic by name creates it on brokers with auto-creation (the embedded one), so list first.
    present = sorted(set(names) & set(await admin.list_topics()))
    if not present:
        return {}
    configs = await _configs(admin, present)
    topics = {}
    for described in await admin.describe_topics(present):
        _raise_for(described["error_code"], f"cannot describe topic {described['topic']}")
        entries = configs[described["topic"]]
        topics[described["topic"]] = Topic(
            described["topic"],
            len(described["partitions"]),
            {name: value for name, (value, _source) in entries.items()},
            min((len(partition["replicas"]) for partition in described["partitions"]), default=0),
            {name: value for name, (value, source) in entries.items() if source == _SET_ON_TOPIC},
        )
    return topics


async def require_topics(settings: Settings) -> None:
    """Raises StartRefused when Kafka cannot be reached or a topic is missing: waiting for it would look like work."""
    async with admin_client(settings.kafka) as admin:
        missing = sorted(set(settings.topics.model_dump().values()) - set(await admin.list_topics()))
    if missing:
        names = ", ".join(missing)
        raise StartRefused(f"{names}: no such topic at {settings.kafka.bootstrap}; run `advet topics apply`")


async def _configs(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, tuple[str, int]]]:
    """Topic → config → value and source. All configs at once: naming them breaks the embedded broker."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, tuple[str, int]]] = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _type, topic, entries in answer.resources:
            _raise_for(code, f"cannot read the configs of topic {topic}: {message}")
            found[topic] = {entry[0]: (entry[1], entry[3]) for entry in entries if entry[1] is not None}
    return found


async def make_plan(admin: AIOKafkaAdminClient, settings: Settings, partitions: int | None) -> tuple[Step, ...]:
    """Compares the cluster with the table. Without `partitions`: as many as the input has, or the default."""
    names = [str(name) for name in settings.topics.model_dump().values()]
    existing = await existing_topics(admin, names)
    source = existing.get(settings.topics.submissions)
    count = partitions or (source.partitions if source else DEFAULT_PARTITIONS)
    input_bytes = int(source.configs.get("max.message.bytes", 0)) if source else 0
    cluster = await admin.describe_cluster()
    return plan(wanted_topics(settings, count, input_bytes), existing, len(cluster["brokers"]))


async def apply(admin: AIOKafkaAdminClient, steps: Iterable[Step]) -> tuple[str, ...]:
    """Carries out a plan; returns notes about what this broker cannot do. Raises StartRefused on a refusal."""
    notes = []
    for step in steps:
        if step.kind == "create" and step.target is not None:
            await _create(admin, step.target)
        elif step.kind == "raise" and step.target is not None:
            try:
                await _alter(admin, step.target)
            except IncompatibleBrokerVersion:
                notes.append(f"{step.topic}: this broker cannot change a topic's configs; left {step.detail}")
    return tuple(notes)


async def _create(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    new = NewTopic(topic.name, topic.partitions, topic.replication, topic_configs=dict(topic.configs))
    answer = await admin.create_topics([new])
    for _name, code, message in answer.topic_errors:  # returned, not raised
        if for_code(code) is not TopicAlreadyExistsError:  # someone else was quicker
            _raise_for(code, f"cannot create topic {topic.name}: {message}")


async def _alter(admin: AIOKafkaAdminClient, topic: Topic) -> None:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict(topic.configs))
    for answer in await admin.alter_configs([resource]):
        for code, message, *_ in answer.resources:
            _raise_for(code, f"cannot change topic {topic.name}: {message}")


def _raise_for(code: int, what: str) -> None:
    if code:
        error: Any = for_code(code)
        raise StartRefused(f"{what} ({error.__name__}): check the rights of this user on topics and cluster")
