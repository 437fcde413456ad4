"""`advet demo`: ads through a broker, a store and the real consumer on this machine, then the proof."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from typing import Literal

import rich_click as click
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from consumer.cli.program import command_line
from consumer.cli.render import Row, dead_letter_table, verdict_table
from consumer.demo.ads import PICTURES, ads, expectations
from consumer.demo.check import Check
from consumer.demo.runner import Demo, Phase, Report, demo_stack, judge_everything
from schemas import AdVerdict, DeadLetter, Decision


@click.command("demo")
@click.option(
    "--broker", type=click.Choice(["embedded", "kafka"]), default="embedded", show_default=True,
    help="embedded: a small Kafka-compatible broker; kafka: Apache Kafka (Java 17, and Maven the first time).",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout; tables go to stderr.")
@click.option(
    "--deadline", "deadline_seconds", type=click.FloatRange(min=1), default=300, show_default=True,
    help="Seconds until a submission without outcome counts as lost.",
)  # fmt: skip
def demo_command(broker: Literal["embedded", "kafka"], keep: bool, as_json: bool, deadline_seconds: float) -> None:
    """Judge real-looking ads end to end on this machine and check that none is lost."""
    try:
        passed = asyncio.run(_demo(broker, keep, as_json, deadline_seconds))
    except asyncio.CancelledError as error:  # SIGTERM: everything was ended on the way out
        raise click.Abort from error
    sys.exit(0 if passed else 1)


async def _demo(broker: Literal["embedded", "kafka"], keep: bool, as_json: bool, deadline_seconds: float) -> bool:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    screen = Console(stderr=as_json)
    _introduce(screen, broker)
    async with contextlib.AsyncExitStack() as running:
        with _progress() as report:
            report("starting", 0, 1)
            demo = await running.enter_async_context(demo_stack(broker))
            outcome = await judge_everything(demo, deadline_seconds, report)
        _show(screen, outcome)
        if as_json:
            click.echo(json.dumps(outcome.summary(), ensure_ascii=False))
        if keep:
            _invite(Console(stderr=True), demo)
            await _until_signal(demo)
        else:
            Console(stderr=True).print("[dim]ending consumer, broker and store …[/dim]")
    return outcome.passed


@contextlib.contextmanager
def _progress() -> Iterator[Report]:
    """A bar on stderr; yields the function that moves it."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description:<28}"), BarColumn(bar_width=36), MofNCompleteColumn(),
        TimeElapsedColumn(),
    )  # fmt: skip
    words: dict[Phase, str] = {
        "starting": "broker and store",
        "handing in": "handing in",
        "judging": "judging",
    }
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars: dict[Phase, TaskID] = {}

        def report(phase: Phase, done: int, total: int) -> None:
            if phase not in bars:
                for earlier in bars.values():
                    progress.update(earlier, completed=progress.tasks[earlier].total)
                bars[phase] = progress.add_task(words[phase], total=total)
            progress.update(bars[phase], completed=done)

        yield report


def _introduce(screen: Console, broker: str) -> None:
    kind, delivery, promise = {
        "embedded": ("the embedded broker", "at_least_once", "after a crash an ad may be judged twice; none is lost"),
        "kafka": ("Apache Kafka", "exactly_once", "one verdict or dead letter for every ad, whatever is killed"),
    }[broker]
    lines = Text.assemble(
        ("Ads against Chinese advertising law, end to end on this machine.\n", "bold"),
        f"Broker: {kind}; store: SeaweedFS (S3); judge: the rules, on the text and on OCR of every picture.\n",
        (f"delivery = {delivery}", "bold"),
        f": {promise}.\n",
        ("policy.unchecked = approve", "bold"),
        ": set for this demo, so that clean drug, device and health food ads show as clean. By default they go to "
        "review, because words alone do not settle them.",
    )
    screen.print(Panel(lines, title="advet demo", title_align="left", border_style="blue", padding=(0, 2)))


def _show(screen: Console, outcome: Check) -> None:
    bad = {*outcome.differences, *outcome.duplicates}
    lawful = expectations()
    notes = {ad.id: lawful[ad.id].why for ad in ads() if ad.group == "trap"}
    rows = [Row(name, ended[0], name not in bad, notes.get(name, "")) for name, ended in _in_order(outcome)]
    screen.print(verdict_table(rows))
    screen.print(dead_letter_table(rows))
    facts = outcome.summary()
    decisions = ", ".join(f"{count} {decision}" for decision, count in facts["by_decision"].items())
    lines = [
        f"{facts['submitted']} submitted, {facts['verdicts']} verdicts ({decisions}), "
        f"{facts['dead_letters']} dead letters, in {facts['seconds']:.1f} s",
        f"lost {facts['lost']} · duplicates {facts['duplicates']} · as expected {facts['as_expected']} of "
        f"{facts['expected']}",
    ]
    lines += [f"✗ {name}: lost" for name in outcome.lost]
    lines += [f"✗ {name}: {len(outcome.seen[name])} outcomes" for name in outcome.duplicates]
    lines += [f"✗ stray record {stray}" for stray in outcome.strays]
    lines += [f"✗ {name}: {difference}" for name, difference in outcome.differences.items()]
    title = "every submission ended exactly once, as the law says" if outcome.passed else "NOT as expected"
    style = "green" if outcome.passed else "red"
    screen.print(Panel(Text("\n".join(lines)), title=title, title_align="left", border_style=style, padding=(0, 2)))


def _in_order(outcome: Check) -> list[tuple[str, list[AdVerdict | DeadLetter]]]:
    """By decision, severest first, then by name: what differs stands out."""
    ranks = {Decision.REJECT: 0, Decision.REVIEW: 1, Decision.APPROVE: 2}

    def rank(entry: tuple[str, list[AdVerdict | DeadLetter]]) -> tuple[int, str]:
        first = entry[1][0]
        return (ranks.get(first.decision, 3) if isinstance(first, AdVerdict) else 4, entry[0])

    return sorted(((name, list(ended)) for name, ended in outcome.seen.items()), key=rank)


def _invite(screen: Console, demo: Demo) -> None:
    picture = PICTURES / "finance-guaranteed.webp"
    lines = (
        "Everything keeps running. In another terminal:",
        "",
        f"  {command_line('tail', '--config', str(demo.config), '--from-beginning', '--follow')}",
        f"  {command_line('submit', str(picture), '--category', 'finance', '--config', str(demo.config))}",
        f"  {command_line('dlq', 'ls', '--config', str(demo.config))}",
        f"  {command_line('judge', '--image', str(picture), '--category', 'finance')}",
        f"  curl http://127.0.0.1:{demo.http_port}/metrics",
        "",
        f"Kafka {demo.settings.kafka.bootstrap} · S3 {demo.settings.storage.endpoint} · log "
        f"{demo.consumer.program.log}",
        "Ctrl-C ends all of it.",
    )
    for line in lines:
        screen.print(Text(line), soft_wrap=True)


async def _until_signal(demo: Demo) -> None:
    """Returns on SIGINT or SIGTERM; raises ChildFailed when a part of the stack dies by itself."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    signalled = asyncio.create_task(asked.wait())
    broken = asyncio.create_task(demo.stack.first_death())
    ended = asyncio.create_task(demo.consumer.wait())
    try:
        await asyncio.wait({signalled, broken, ended}, return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            raise broken.result()
        if ended.done():
            raise demo.consumer.failure("ended by itself")
    finally:
        for wait in (signalled, broken, ended):
            wait.cancel()
        await asyncio.gather(signalled, broken, ended, return_exceptions=True)
