"""`advet run`: the consumer."""

import asyncio

import rich_click as click

from consumer.cli.options import settings_options
from consumer.settings import Loaded


@click.command("run")
@settings_options()
def run_command(loaded: Loaded) -> None:
    """Read submissions, judge them, publish verdicts and dead letters, until SIGTERM."""
    from consumer.app import Consumer
    from consumer.ops.logs import configure

    configure(loaded.settings.logs)

    async def consume() -> None:
        await Consumer(loaded.settings).run()

    asyncio.run(consume())
