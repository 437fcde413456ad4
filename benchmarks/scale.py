"""Three members beside one: what a group of consumers makes of an engine that takes a fixed time for each ad.

The engine sleeps, so the processors of a small machine are not what is measured, but whether anything in the stream
stands between members. Three brokers, exactly-once. The table goes to stdout, everything into a JSON file.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import rich_click as click

from benchmarks.harness.contender import ADVET, member, started
from benchmarks.harness.drain import POLL_SECONDS, committed, faults, read_all
from benchmarks.harness.ground import Ground, Plan, unique
from benchmarks.harness.results import origin, spread, write

BROKERS = 3
PARTITIONS = 6
IN_FLIGHT = 16
"""Records that a member holds."""
MEMBERS = 3
STARTING_SECONDS = 25.0
"""Of work that is there for members while they join, before anything is measured."""
JOIN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Run:
    """One group at work."""

    members: int
    round: int
    events: int
    events_per_second: float
    lost: int
    duplicates: int


async def run(ground: Ground, members: int, number: int, judge_seconds: float, seconds: float, folder: Path) -> Run:
    """Drains a topic with so many members; measures once each of them has published something."""
    count = round(members * (seconds + STARTING_SECONDS) / judge_seconds)
    source = unique("ads")
    await ground.preload(source, ground.events(count, full=False))
    names = [name for name, _ in ground.events(count, full=False)]
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            started(ADVET, ground, source, folder, full=False, broker_time=True, judge_seconds=judge_seconds)
        )
        others = [member(ADVET, first.task, first.targets, place) for place in range(2, members + 1)]
        group = [first, *[await stack.enter_async_context(other) for other in others]]
        async with asyncio.timeout(JOIN_SECONDS):
            while not all([await asyncio.to_thread(one.transactions) for one in group]):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(POLL_SECONDS)
        begun = time.time()
        await asyncio.sleep(seconds)
        async with asyncio.timeout(JOIN_SECONDS + count * judge_seconds):
            while await committed(ground, first) < count:
                for one in group:
                    one.check()
                await asyncio.sleep(POLL_SECONDS)
        written, times = await read_all(ground, first.targets, count)
    if max(times) < begun + seconds:
        raise click.ClickException(f"{count} events were too few to measure {seconds:g} s of {members} members")
    measured = sum(1 for moment in times if begun <= moment < begun + seconds)
    return Run(members, number, count, measured / seconds, *faults(written, names))


def say(text: str) -> None:
    """Progress, on stderr."""
    click.echo(f"scale: {text}", err=True)


async def measure(rounds: int, judge_seconds: float, seconds: float) -> list[Run]:
    """One member and three, in turns."""
    plan = replace(Plan.read(), partitions=PARTITIONS, concurrency=IN_FLIGHT)
    runs = []
    with tempfile.TemporaryDirectory(prefix="advet-bench-") as folder:
        async with Ground.prepared(plan, Path(folder), BROKERS) as ground:
            for number in range(1, rounds + 1):
                for members in (1, MEMBERS):
                    runs.append(await run(ground, members, number, judge_seconds, seconds, Path(folder)))
                    say(f"round {number}, {members} members: {runs[-1].events_per_second:.2f} events/s")
    return runs


@click.command()
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--judge-seconds", default=0.25, show_default=True, help="Of the engine for an ad, one at a time.")
@click.option("--seconds", default=20.0, show_default=True, help="That are measured in each run.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="JSON file; default benchmarks/results/…")
def main(rounds: int, judge_seconds: float, seconds: float, out: Path | None) -> None:
    """Events a second of three members over those of one."""
    runs = asyncio.run(measure(rounds, judge_seconds, seconds))
    alone = {one.round: one.events_per_second for one in runs if one.members == 1}
    ratio = spread(one.events_per_second / alone[one.round] for one in runs if one.members == MEMBERS)
    click.echo(
        f"{MEMBERS} members over one: {ratio['median']:.2f} ({ratio['min']:.2f}…{ratio['max']:.2f}); "
        f"lost {sum(one.lost for one in runs)}, doubled {sum(one.duplicates for one in runs)}"
    )
    document = {
        **origin("scale"),
        "brokers": BROKERS,
        "partitions": PARTITIONS,
        "judge_seconds": judge_seconds,
        "ratio": ratio,
        "runs": [asdict(one) for one in runs],
    }
    say(f"written: {write('scale', document, out)}")


if __name__ == "__main__":
    main()
