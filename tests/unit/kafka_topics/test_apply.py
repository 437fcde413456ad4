"""Applying a plan to real brokers, and what doctor says before and after."""

import asyncio
from typing import Any

import pytest

from consumer.doctor import check_group, check_storage, check_topics
from consumer.kafka.admin import admin_client
from consumer.kafka.topics import apply, existing_topics, make_plan
from consumer.local.object_store import ObjectStore
from consumer.settings import KafkaSettings, Settings, StorageSettings, TopicSettings


def settings_for(bootstrap: str, prefix: str, max_record_bytes: int = 1024 * 1024) -> Settings:
    """Topics of this test alone."""
    names = {name: f"{prefix}-{name}" for name in TopicSettings.model_fields}
    kafka = KafkaSettings(bootstrap=bootstrap, max_record_bytes=max_record_bytes)
    return Settings(kafka=kafka, topics=TopicSettings(**names))


async def converge(settings: Settings, partitions: int | None) -> tuple[list[str], tuple[str, ...]]:
    """Plans and applies; returns the kinds of steps and the notes."""
    async with admin_client(settings.kafka) as admin:
        steps = await make_plan(admin, settings, partitions)
        return [step.kind for step in steps], await apply(admin, steps)


def test_embedded_broker(embedded_broker: object, request: pytest.FixtureRequest) -> None:
    """Created once; looking for missing topics creates none; what it cannot change is said."""
    settings = settings_for(request.getfixturevalue("embedded_broker").bootstrap, "apply")

    async def body() -> None:
        for _ in range(2):
            assert {check.status for check in await check_topics(settings)} == {"fail"}
        assert await converge(settings, 3) == (["create"] * 7, ())
        assert {check.status for check in await check_topics(settings)} == {"ok"}
        assert await converge(settings, None) == (["ok"] * 7, ())
        larger = settings_for(settings.kafka.bootstrap, "apply", 4_000_000)
        kinds, notes = await converge(larger, None)
        assert kinds.count("raise") == 4
        assert all("cannot change" in note for note in notes)
        assert len(notes) == 4
        assert (await check_group(settings)).status == "ok"

    asyncio.run(body())


@pytest.mark.kafka
def test_apache_kafka(request: pytest.FixtureRequest) -> None:
    """A raised limit takes effect and leaves the topic's other values as they were."""
    bootstrap = request.getfixturevalue("apache_kafka").bootstrap
    settings, larger = (settings_for(bootstrap, "apply", size) for size in (1024 * 1024, 4_000_000))
    letters = settings.topics.dead_letters

    async def body() -> None:
        assert await converge(settings, 3) == (["create"] * 7, ())
        async with admin_client(settings.kafka) as admin:  # a broker learns of a new topic a moment later
            for _ in range(600):
                if len(await existing_topics(admin, settings.topics.model_dump().values())) == 7:
                    break
                await asyncio.sleep(0.05)
        kinds, notes = await converge(larger, None)
        assert (sorted(kinds), notes) == (["ok"] * 3 + ["raise"] * 4, ())
        async with admin_client(settings.kafka) as admin:
            found = (await existing_topics(admin, [letters]))[letters]
        assert found.configs["max.message.bytes"] == str(4_000_000 + 65_536)
        assert found.configs["retention.ms"] == str(30 * 24 * 3600 * 1000)
        assert {check.status for check in await check_topics(larger)} == {"ok"}
        assert (await converge(larger, 9))[0] == ["differs"] * 5 + ["ok"] * 2

    asyncio.run(body())


def test_storage_causes_are_told_apart(weed_store: ObjectStore) -> None:
    """Wrong keys, a missing bucket and a store that is not there each name their setting."""
    right = {
        "endpoint": weed_store.endpoint,
        "access_key": weed_store.keys.access,
        "secret_key": weed_store.keys.secret,
    }

    def check(**other: object) -> tuple[str, str]:
        storage = StorageSettings.model_validate({**right, **other})
        (found,) = asyncio.run(check_storage(Settings(storage=storage)))
        return found.status, found.advice

    assert check() == ("ok", "")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"secret_key": "wrong"}, "storage.secret_key"),
        ({"access_key": "nobody"}, "storage.access_key"),
        ({"buckets": ("elsewhere",)}, "storage.buckets"),
        ({"endpoint": "http://127.0.0.1:1"}, "storage.endpoint"),
    ]
    for wrong, word in cases:
        status, advice = check(**wrong)
        assert status == "fail"
        assert word in advice
