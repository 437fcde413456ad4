"""The plan of a replay over many dead letters: seconds, and the memory of the process that makes it.

    make bench ARGS='replay_plan --letters 100000'

Starts an Apache Kafka of its own (JDK and Maven), fills a topic with letters of every reason and another with
verdicts, then runs `advet dlq replay --json` for a tenth of the letters' partitions and for all of them: memory that
grew with letters would show between the two. Prints one JSON object.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from aiokafka import AIOKafkaProducer

from consumer.kafka.admin import admin_client
from consumer.kafka.topics import apply, make_plan
from consumer.local.apache_kafka import KafkaCluster
from consumer.settings import KafkaSettings, Settings
from schemas import DeadLetter, Reason, RecordOrigin, Stage
from schemas.headers import dead_letter_headers

PARTITIONS = 10
REASONS = [reason for reason in Reason if reason is not Reason.UNKNOWN]
Record = tuple[str, bytes, bytes, list[tuple[str, bytes | None]], int]


def letters(settings: Settings, count: int) -> Iterator[Record]:
    """About 1 KB each, spread evenly over the partitions."""
    body = "到店可享试吃，每日限量供应。" * 20
    for number in range(count):
        identity = f"sub-{number:09d}"
        event = {
            "submission_id": identity, "revision": 1, "advertiser": {"id": f"adv-{number % 100}"}, "category": "food",
            "text": {"title": "新品上市", "body": body}, "submitted_at": "2026-03-02T09:00:00Z",
        }  # fmt: skip
        letter = DeadLetter(
            reason=REASONS[number % len(REASONS)], stage=Stage.JUDGE, message="failed in every attempt",
            error_class="Benchmark", attempts=3, group="advet", engine="m-1", policy_version="1.0.0",
            origin=RecordOrigin(topic=settings.topics.submissions, partition=0, offset=number),
        )  # fmt: skip
        headers = list(dead_letter_headers(letter, ()))
        value = json.dumps(event, ensure_ascii=False).encode()
        yield settings.topics.dead_letters, identity.encode(), value, headers, number % PARTITIONS


def verdicts(settings: Settings, count: int) -> Iterator[Record]:
    """Verdicts of ads, a seventh of the letters' among them."""
    for number in range(count):
        identity = f"sub-{number * 7:09d}"
        verdict = {
            "verdict_id": "0" * 64, "submission_id": identity, "revision": 1, "decision": "approve",
            "policy_version": "1.0.0", "engine": {"name": "t", "model": "t", "revision": "1"},
            "origin": {"topic": "t", "partition": 0, "offset": number}, "judged_at": "2026-03-02T09:00:00Z",
        }  # fmt: skip
        yield settings.topics.verdicts, identity.encode(), json.dumps(verdict).encode(), [], number % PARTITIONS


async def fill(settings: Settings, count: int) -> None:
    """Topics, letters, and as many verdicts."""
    async with admin_client(settings.kafka) as admin:
        await apply(admin, await make_plan(admin, settings, PARTITIONS))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap, linger_ms=20, max_batch_size=262_144)
    await producer.start()
    try:
        for source in (letters(settings, count), verdicts(settings, count)):
            last = None
            for topic, key, value, headers, partition in source:
                last = await producer.send(topic, value, key, partition=partition, headers=headers)
            await producer.flush()
            if last is not None:
                await last
    finally:
        await producer.stop()


def measure(settings: Settings, *arguments: str) -> dict[str, float]:
    """One plan in a process of its own."""
    command = [sys.executable, "-m", "consumer", "dlq", "replay", "--json", *arguments]
    environment = {**os.environ, "ADVET_KAFKA__BOOTSTRAP": settings.kafka.bootstrap}
    began = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        if status:
            raise SystemExit(f"the plan ended with {status}")
        output.seek(0)
        plan = json.load(output)["plan"]
    return {
        "looked_at": plan["looked_at"],
        "letters": plan["letters"],
        "judged": plan["refused"].get("judged", 0),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_bytes": usage.ru_maxrss * 1024,
    }


def main() -> None:
    """Prints the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--letters", type=int, default=100_000)
    count = parser.parse_args().letters
    with tempfile.TemporaryDirectory() as folder:
        cluster = asyncio.run(KafkaCluster.start(Path(folder)))
        try:
            settings = Settings(kafka=KafkaSettings(bootstrap=cluster.bootstrap))
            asyncio.run(fill(settings, count))
            tenth = measure(settings, "--topic", settings.topics.dead_letters, "--partition", "0")
            every = measure(settings)
        finally:
            cluster.kill_all()
    print(json.dumps({"tenth": tenth, "all": every}, indent=2))


if __name__ == "__main__":
    main()
