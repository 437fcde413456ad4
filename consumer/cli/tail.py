"""`advet tail`: shows verdicts and dead letters as they arrive."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import rich_click as click
from rich.console import Console
from rich.text import Text

from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.cli.render import render_dead_letter, render_verdict
from consumer.kafka.reader import OutcomeReader, Output
from consumer.ops.logs import configure
from consumer.settings import Loaded, LogSettings
from schemas import AdVerdict, DeadLetter


@click.command("tail")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--follow", "-f", is_flag=True, help="Stay and wait for more, until Ctrl-C.")
@click.option("--from-beginning", is_flag=True, help="Show what is already there, not only what comes now.")
@settings_options("kafka", "topics")
def tail_command(loaded: Loaded, as_json: bool, follow: bool, from_beginning: bool) -> None:
    """Show verdicts and dead letters."""

    if follow:  # then a broker that goes away is worth a line
        configure(LogSettings())

    async def show() -> None:
        console = screen()
        if not (follow or from_beginning):
            click.echo("Only what arrives right now; --follow waits, --from-beginning shows what is there.", err=True)
        async with OutcomeReader(loaded.settings, from_beginning=from_beginning) as reader:
            async for output in reader.outputs(follow=follow):
                if as_json:
                    click.echo(json.dumps(as_record(output), ensure_ascii=False))
                else:
                    show_output(console, output)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(show())


def show_output(console: Console, output: Output) -> None:
    """A panel for a verdict or dead letter, a line for what is neither."""
    if isinstance(output.item, AdVerdict):
        console.print(render_verdict(output.item))
    elif isinstance(output.item, DeadLetter):
        console.print(render_dead_letter(output.key, output.item))
    else:
        where = f"{output.origin.topic}[{output.origin.partition}]@{output.origin.offset}"
        console.print(Text(f"unreadable record at {where}: {output.item.why}", style="red"))


def as_record(output: Output) -> dict[str, Any]:
    """An output as JSON: `kind` is verdict, dead_letter or unreadable."""
    kind, body = "unreadable", {}
    if isinstance(output.item, AdVerdict):
        kind, body = "verdict", output.item.model_dump(mode="json", exclude_none=True)
    elif isinstance(output.item, DeadLetter):
        kind, body = "dead_letter", output.item.model_dump(mode="json", exclude_none=True)
    else:
        body = {"why": output.item.why}
    return {
        "kind": kind,
        "key": output.key,
        "record": output.origin.model_dump(),
        "timestamp": datetime.fromtimestamp(output.timestamp_ms / 1000, UTC).isoformat(),
        kind: body,
    }
