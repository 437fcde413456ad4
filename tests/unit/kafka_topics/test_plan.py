"""The plan is a pure function of the table, the settings and what the cluster has."""

from dataclasses import replace

import pytest

from consumer.kafka.topics import DAY_MS, TABLE, Topic, plan, wanted_topics
from consumer.settings import KafkaSettings, Settings, TopicSettings

SETTINGS = Settings()
WANTED = {topic.name: topic for topic in wanted_topics(SETTINGS, 6)}
LETTERS = "ad-dead-letters"


def there(name: str, **configs: str) -> Topic:
    """A topic as a cluster with one broker would have it, with some values set on it."""
    own = {key.replace("_", "."): value for key, value in configs.items()}
    return Topic(name, 6, {**WANTED[name].configs, **own}, 1, own)


def test_every_topic_of_the_settings_has_a_row() -> None:
    """A topic that is added to the settings cannot be forgotten here."""
    assert [row.setting for row in TABLE] == list(TopicSettings.model_fields)


def test_empty_cluster_gets_everything() -> None:
    """Partitions as asked, one replica on one broker, three with two in sync on three."""
    alone = plan(WANTED.values(), {}, brokers=1)
    assert [(step.kind, step.topic) for step in alone] == [("create", name) for name in WANTED]
    assert {step.target.replication for step in alone if step.target} == {1}
    for step in plan(WANTED.values(), {}, brokers=3):
        assert step.target is not None
        compacted = step.target.configs["cleanup.policy"] == "compact"
        assert (step.target.partitions, step.target.replication) == (1 if compacted else 6, 3)
        assert step.target.configs["min.insync.replicas"] == "2"


def test_dead_letters_have_room_for_headers_on_the_largest_input() -> None:
    """Otherwise one record of the largest size would hold its partition for ever."""
    for settings, input_bytes in [(SETTINGS, 0), (SETTINGS, 5_000_000), (_with_records(3_000_000), 0)]:
        topics = {
            topic.name: int(topic.configs.get("max.message.bytes", 0))
            for topic in wanted_topics(settings, 1, input_bytes)
        }
        source = max(topics["ad-submissions"], input_bytes)
        assert source >= settings.kafka.max_record_bytes
        assert topics[LETTERS] == topics["ad-oom-dead-letters"] == source + 65_536


def _with_records(size_bytes: int) -> Settings:
    return Settings(kafka=KafkaSettings(max_record_bytes=size_bytes))


def test_what_is_as_wanted_is_left_alone() -> None:
    """A second run does nothing."""
    steps = plan(WANTED.values(), {name: there(name) for name in WANTED}, brokers=1)
    assert {step.kind for step in steps} == {"ok"}


def test_low_limits_are_raised_and_other_values_sent_again() -> None:
    """Altering replaces all values set on a topic, so those that are not ours must go along."""
    found = there(LETTERS, max_message_bytes="1000", segment_ms="60000")
    (step,) = plan([WANTED[LETTERS]], {LETTERS: found}, brokers=1)
    assert step.kind == "raise"
    assert step.target is not None
    assert step.target.configs == {
        "max.message.bytes": WANTED[LETTERS].configs["max.message.bytes"],
        "segment.ms": "60000",
    }


@pytest.mark.parametrize("retention", ["-1", str(400 * DAY_MS)])
def test_longer_retention_is_never_shortened(retention: str) -> None:
    """-1 is for ever, not less than thirty days."""
    (step,) = plan([WANTED[LETTERS]], {LETTERS: there(LETTERS, retention_ms=retention)}, brokers=1)
    assert step.kind == "ok"


def test_what_needs_a_person_is_reported_only() -> None:
    """Partitions move keys, compaction loses verdicts, replicas move data: said, not done."""
    found = replace(there("ad-verdicts", cleanup_policy="compact"), partitions=2)
    steps = plan([WANTED["ad-verdicts"]], {"ad-verdicts": found}, brokers=3)
    assert [step.kind for step in steps] == ["differs"] * 3
    assert [step.target for step in steps] == [None] * 3
    said = " ".join(step.detail for step in steps)
    assert all(word in said for word in ("compact", "2 partitions, not 6", "1 replicas, not 3"))


def test_unknown_configs_are_no_difference() -> None:
    """The embedded broker tells only what was set at creation."""
    bare = Topic(LETTERS, 6, {}, 1)
    (step,) = plan([WANTED[LETTERS]], {LETTERS: bare}, brokers=1)
    assert step.kind == "ok"
