"""`advet lag`: how far the group is behind, once, again and again, or for Prometheus."""

import asyncio
import json
import signal
from collections.abc import Callable
from contextlib import aclosing, suppress

import rich_click as click
from rich.live import Live

from consumer.cli.lag_render import lag_json, lag_report, unknown_report
from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.errors import AdvetError
from consumer.lag.export import serve_lag
from consumer.lag.figures import GroupLag
from consumer.lag.reader import Unknown, looks
from consumer.ops.logs import configure
from consumer.replay.second_chance import as_read
from consumer.settings import Loaded, Settings

RATE_SECONDS = 2.0
"""Between the two looks of a single call: without a second one there are no rates."""
EXIT_PARTIAL = 3


@click.command("lag")
@click.option("--watch", is_flag=True, help="Stay and show it anew every lag.interval_seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --watch one a line.")
@click.option("--serve", is_flag=True, help="Export it for Prometheus on lag.port, until SIGTERM or Ctrl-C.")
@settings_options("input", "kafka", "topics", "lag", "logs")
def lag_command(loaded: Loaded, watch: bool, as_json: bool, serve: bool) -> None:
    """Show how far the group is behind: what is left, how old it is, how fast it moves, who works on it.

    Reads Kafka from outside the group, so it works while no consumer runs and disturbs none.
    """
    settings = as_read(loaded.settings)
    if serve:
        if watch or as_json:
            raise click.UsageError("--serve goes without --watch and --json: what it sees is at /metrics")
        configure(settings.logs)
        asyncio.run(_serve(settings))
    elif watch:
        asyncio.run(_watch(settings, as_json))
    else:
        lag = asyncio.run(_once(settings))
        if as_json:
            click.echo(json.dumps(lag_json(lag), ensure_ascii=False))
        else:
            screen().print(lag_report(lag))
        if lag.notes:
            for note in lag.notes:
                click.echo(f"advet: {note}", err=True)
            raise SystemExit(EXIT_PARTIAL)


async def _once(settings: Settings) -> GroupLag:
    found: GroupLag | None = None
    async with aclosing(looks(settings, RATE_SECONDS)) as results:
        async for result in results:
            if isinstance(result, Unknown):
                raise result.error
            if found is not None:
                return result
            found = result
    raise AssertionError("looks never end")


async def _watch(settings: Settings, as_json: bool) -> None:
    console = screen()
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            await _follow(
                settings,
                lambda lag: live.update(lag_report(lag), refresh=True),
                lambda error: live.update(unknown_report(error), refresh=True),
            )
    else:
        await _follow(
            settings,
            (lambda lag: click.echo(json.dumps(lag_json(lag), ensure_ascii=False)))
            if as_json
            else (lambda lag: console.print(lag_report(lag))),
            lambda error: click.echo(f"advet: {error}", err=True),
        )


async def _follow(settings: Settings, known: Callable[[GroupLag], None], unknown: Callable[[AdvetError], None]) -> None:
    """Shows each look; the first one must succeed."""
    answered = False
    async with aclosing(looks(settings, settings.lag.interval_seconds)) as results:
        async for result in results:
            if isinstance(result, GroupLag):
                answered = True
                known(result)
            elif answered:
                unknown(result.error)
            else:
                raise result.error


async def _serve(settings: Settings) -> None:
    serving = asyncio.create_task(serve_lag(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with suppress(asyncio.CancelledError):
        await serving
