"""Dead letters made by hand, of every reason, as a consumer would have written them; and what readers find later."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from consumer.settings import Settings
from schemas import OOM_REASONS, DeadLetter, OomFacts, Reason, RecordOrigin, Stage
from schemas.headers import dead_letter_headers

REASONS = tuple(reason for reason in Reason if reason is not Reason.UNKNOWN)
MIB = 1024 * 1024


@dataclass
class Made:
    """A letter to send."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.value or b"").hexdigest()


def oom(predicted_bytes: int = 64 * MIB, visual_tokens: int = 1024, text_tokens: int = 200) -> OomFacts:
    """Memory facts."""
    return OomFacts(
        predicted_bytes=predicted_bytes, free_bytes=MIB, total_bytes=1024 * MIB, reserved_bytes=0, allocated_bytes=0,
        other_processes_bytes=0, visual_tokens=visual_tokens, text_tokens=text_tokens, batch=1,
        device="test", rung="alone",
    )  # fmt: skip


def make_letter(settings: Settings, number: int, reason: Reason = Reason.CREATIVE_MISSING, **facts: object) -> Made:
    """Letter of the ad `s-<number>`; `facts` override those of the failure, `event` the submission."""
    event = {
        "submission_id": f"s-{number}",
        "revision": 1,
        "advertiser": {"id": f"a-{number % 7}"},
        "category": "general",
        "text": {"title": "新品上市", "body": f"到店可享试吃 {number}"},
        "submitted_at": "2026-03-02T09:00:00Z",
    }
    event.update(facts.pop("event", {}))  # type: ignore[call-overload]
    fields: dict[str, object] = {
        "stage": Stage.JUDGE,
        "message": "failed in a test",
        "error_class": "Test",
        "origin": RecordOrigin(topic=settings.topics.submissions, partition=0, offset=number),
        "group": settings.kafka.group,
        "attempts": 1,
        "first_failed_at": datetime(2026, 3, 2, 9, tzinfo=UTC),
        "recorded_at": datetime(2026, 3, 2, 8, 59, tzinfo=UTC),
        "engine": "m-1",
        "policy_version": "1.0.0",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "oom": oom() if reason in OOM_REASONS else None,
    }
    letter = DeadLetter.model_validate({"reason": reason, **fields, **facts})
    own: list[tuple[str, bytes | None]] = [("x-own", b"\x00\xff"), ("content-type", b"application/json")]
    topic = settings.topics.oom_dead_letters if reason in OOM_REASONS else settings.topics.dead_letters
    key = str(event["submission_id"]).encode()
    value = json.dumps(event, ensure_ascii=False).encode()
    return Made(topic, key, value, list(dead_letter_headers(letter, own)))


def of_all_reasons(settings: Settings, count: int, **facts: object) -> list[Made]:
    """Letters of every reason in turn."""
    return [make_letter(settings, number, REASONS[number % len(REASONS)], **facts) for number in range(count)]


def send(settings: Settings, letters: Iterable[Made]) -> list[str]:
    """Writes letters; returns their `topic-partition-offset`."""

    async def write() -> list[str]:
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka.bootstrap,
            acks="all",
            enable_idempotence=False,
            linger_ms=5,
            max_request_size=settings.kafka.largest_output_bytes,
        )
        await producer.start()
        try:
            sent = [await producer.send(made.topic, made.value, made.key, headers=made.headers) for made in letters]
            done = await asyncio.gather(*sent)
        finally:
            await producer.stop()
        return [f"{one.topic}-{one.partition}-{one.offset}" for one in done]

    return asyncio.run(write())


def put(
    settings: Settings, topic: str, records: Sequence[tuple[bytes, bytes | None]], timestamp_ms: int | None = None
) -> None:
    """Writes plain records, key and value."""

    async def write() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap, acks="all", enable_idempotence=False)
        await producer.start()
        try:
            for key, value in records:
                await producer.send_and_wait(topic, value, key=key, timestamp_ms=timestamp_ms)
        finally:
            await producer.stop()

    asyncio.run(write())


def read_all(bootstrap: str, topic: str) -> list:
    """Committed records of a topic, by a client that is not ours; ends at the end that it finds at first."""

    async def read() -> list:
        reader = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await reader.start()
        try:
            await reader.topics()
            known = await reader._client.fetch_all_metadata()
            partitions = [TopicPartition(topic, number) for number in known.partitions_for_topic(topic) or ()]
            reader.assign(partitions)
            ends = await reader.end_offsets(partitions)
            found: list = []
            for partition in partitions:
                while await reader.position(partition) < ends[partition]:
                    for records in (await reader.getmany(timeout_ms=200)).values():
                        found += records
            return found
        finally:
            await reader.stop()

    return asyncio.run(read())
