"""Quix Streams over librdkafka, in either of its guarantees. One event at a time: it has no concurrency of its own."""

from pathlib import Path
from typing import Any

from quixstreams import Application, message_context

from benchmarks.peers.work import Task, Verdict, Work


def main(task: Task) -> None:
    """Works until it is terminated."""
    work = Work(task)
    application = Application(
        task.bootstrap,
        consumer_group=task.group,
        auto_offset_reset="earliest",
        commit_interval=task.commit_seconds,
        processing_guarantee="exactly-once" if task.guarantee == "exactly_once" else "at-least-once",
        consumer_extra_config={"isolation.level": "read_committed"},
        producer_extra_config={"acks": "all", "linger.ms": task.linger_ms},
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=Path(task.folder) / "state",
        loglevel="WARNING",
    )
    source = application.topic(task.source, key_deserializer="bytes", value_deserializer="bytes")
    target = application.topic(task.target, key_serializer="bytes", value_serializer="bytes")

    def judge(value: bytes, _key: Any, _timestamp: int, headers: Any) -> Verdict:
        place = message_context()
        return work.judge(value, headers or (), place.topic, place.partition, place.offset)

    verdicts = application.dataframe(source).apply(judge, metadata=True)
    verdicts = verdicts.set_headers(lambda verdict, *_: verdict.headers)
    verdicts.apply(lambda verdict: verdict.value).to_topic(target)
    application.run()


if __name__ == "__main__":
    main(Task.from_arguments())
