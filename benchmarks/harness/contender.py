"""The contenders, and one of them as a running process."""

import re
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.ground import Ground, unique
from benchmarks.peers.advet import other_topics
from benchmarks.peers.work import Task
from consumer.local.process import Child, Program

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / ".cache" / "bench" / "bin" / "python"
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Contender:
    """A program of `benchmarks.peers` and how it is set."""

    name: str
    program: str
    guarantee: str = "at_least_once"
    work: str = "same"
    commit_seconds: float | None = None
    """Instead of the plan's."""
    drains: bool = True
    """Whether its throughput is measured; else only its cost at a fixed rate."""

    @property
    def python(self) -> Path:
        """Frameworks live in an environment of their own; so does the loop, for the same versions."""
        return Path(sys.executable) if self.program == "advet" else PEERS_PYTHON


LOOP = "loop"
ADVET = Contender("advet exactly-once", "advet", "exactly_once")
CONTENDERS = (
    Contender(LOOP, "loop"),
    ADVET,
    Contender("advet at-least-once", "advet"),
    Contender("FastStream batch", "faststream_batch"),
    Contender("Quix exactly-once", "quix", "exactly_once"),
    Contender("Quix at-least-once", "quix"),
    Contender("loop, bare work", "loop", work="bare"),
    Contender("advet exactly-once 25 ms", "advet", "exactly_once", commit_seconds=0.025, drains=False),
)


@dataclass(slots=True)
class Running:
    """A started contender."""

    task: Task
    child: Child
    targets: tuple[str, ...]
    port: int | None = None

    def check(self) -> None:
        """Raises ChildFailed with the end of its log when it has ended."""
        if not self.child.alive:
            raise self.child.failure("ended")

    def transactions(self) -> float | None:
        """Transactions that advet has committed so far; None for others."""
        return self._metric("advet_transactions_total")

    def stall_ms(self) -> float | None:
        """The longest block of advet's event loop in the last minute; None for others."""
        seconds = self._metric("advet_event_loop_stall_seconds")
        return None if seconds is None else 1000 * seconds

    def _metric(self, name: str) -> float | None:
        if self.port is None:
            found = re.search(rb'"port": (\d+)', self.child.program.log.read_bytes())
            if found is None:
                return None
            self.port = int(found[1])
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            sample = re.search(rb"^%s (\S+)$" % name.encode(), answer.read(), re.MULTILINE)
        return float(sample[1]) if sample else None


@asynccontextmanager
async def started(
    contender: Contender,
    ground: Ground,
    source: str,
    folder: Path,
    *,
    full: bool,
    broker_time: bool,
    judge_seconds: float = 0.0,
) -> AsyncIterator[Running]:
    """Starts a contender on `source` with target topics and a group of its own; ends it when the block is left."""
    target = unique("out")
    others = [f"{target}-{name}" for name in other_topics()] if contender.program == "advet" else []
    targets = (target, *(name for name in others if name.endswith("dead_letters")))
    await ground.topics(target, *others, broker_time=broker_time)
    plan = ground.plan
    folder = folder / target
    folder.mkdir()
    task = Task(
        bootstrap=ground.bootstrap,
        group=target,
        source=source,
        target=target,
        guarantee=contender.guarantee,
        work=contender.work,
        concurrency=plan.concurrency_full if full else plan.concurrency,
        linger_ms=plan.linger_ms,
        commit_seconds=contender.commit_seconds or plan.commit_seconds,
        threads=plan.threads,
        folder=str(folder),
        endpoint=ground.store.endpoint if full else "",
        access_key=ground.store.keys.access if full else "",
        secret_key=ground.store.keys.secret if full else "",
        judge_seconds=judge_seconds,
    )
    async with member(contender, task, targets) as running:
        yield running


@asynccontextmanager
async def member(contender: Contender, task: Task, targets: tuple[str, ...], number: int = 1) -> AsyncIterator[Running]:
    """One process of a contender's group; ends it when the block is left."""
    folder = Path(task.folder)
    path = folder / f"task-{number}.json"
    task.write(path)
    program = Program(
        f"{contender.program}-{number}",
        (str(contender.python), "-W", "ignore", "-m", f"benchmarks.peers.{contender.program}", str(path)),
        folder,
        {"PYTHONPATH": str(ROOT)},
    )
    child = Child.spawn(program)
    try:
        yield Running(task, child, targets)
    finally:
        await child.stop(STOP_SECONDS)
