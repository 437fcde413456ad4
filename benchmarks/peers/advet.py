"""advet itself: the real consumer process with an engine that finds nothing and needs no pixels."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.work import ENGINE, POLICY_VERSION, Task
from consumer.app import Consumer
from consumer.creatives.decoder import Decoder
from consumer.engine import AdFacts, Capacity, Findings, Prepared, Price
from consumer.messages import OcrLine, Picture
from consumer.ops.logs import configure
from consumer.ops.metrics import Metrics
from consumer.pipeline import Parts
from consumer.settings import Settings, TopicSettings, load


class NullEngine:
    """Approves everything at once."""

    fingerprint = ENGINE
    policy_version = POLICY_VERSION

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def capacity(self) -> Capacity:
        return Capacity(items=10_000, bytes=2**40, reason="")

    def quote(self, facts: AdFacts) -> Price:
        return Price(bytes=0, needs_pixels=False)

    async def judge(self, prepared: Prepared) -> Findings:
        return Findings(model_ran=True)


class SerialEngine(NullEngine):
    """Takes so long for each, one after the other: what a card does, without one."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock()

    async def judge(self, prepared: Prepared) -> Findings:
        async with self._turn:
            await asyncio.sleep(self._seconds)
        return await super().judge(prepared)


class NoReader:
    """Is never asked: nobody looks at pixels."""

    crashes = 0
    waiting = 0

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def read(self, pictures: Sequence[Picture]) -> tuple[OcrLine, ...]:
        raise AssertionError("a null judge needs no words")


def other_topics() -> list[str]:
    """Names, as settings, of the topics that advet wants besides submissions and verdicts."""
    return sorted(TopicSettings.model_fields.keys() - {"submissions", "verdicts"})


def settings_file(task: Task) -> str:
    """The task as an `advet.toml`."""
    topics: dict[str, object] = {"submissions": task.source, "verdicts": task.target}
    topics |= {name: f"{task.target}-{name}" for name in other_topics()}
    tables: dict[str, dict[str, object]] = {
        "kafka": {"bootstrap": task.bootstrap, "group": task.group},
        "topics": topics,
        "flow": {
            "max_records": task.concurrency,
            "commit_seconds": task.commit_seconds,
            "publish_seconds": task.commit_seconds,
        },
        "storage": {"concurrency": task.threads},
        "http": {"port": 0},
        "admin": {"port": 0},
        "logs": {"format": "json"},
    }
    if task.endpoint:
        tables["storage"] |= {
            "endpoint": task.endpoint,
            "access_key": task.access_key,
            "secret_key": task.secret_key,
        }
    lines = [f"delivery = {json.dumps(task.guarantee)}"]
    for table, values in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def main(task: Task) -> None:
    """Works until SIGTERM."""
    config = Path(task.folder) / f"advet-{os.getpid()}.toml"
    config.touch(mode=0o600)
    config.write_text(settings_file(task))
    settings = load(config=config).settings
    configure(settings.logs)

    def build(chosen: Settings, _metrics: Metrics) -> Parts:
        engine = SerialEngine(task.judge_seconds) if task.judge_seconds else NullEngine()
        return Parts(engine, Decoder(chosen.creatives), NoReader())

    asyncio.run(Consumer(settings, build).run())


if __name__ == "__main__":
    main(Task.from_arguments())
