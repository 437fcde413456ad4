"""`advet local`: broker, store, topics and bucket on this machine, until it is told to end."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Literal

import rich_click as click

from consumer.cli.program import command_line
from consumer.local.config_file import check_free
from consumer.local.process import ChildFailed
from consumer.local.stack import BUCKET, LocalStack, StackPlan


@click.command("local")
@click.option(
    "--broker", type=click.Choice(["embedded", "kafka"]), default="embedded", show_default=True,
    help="embedded: a small Kafka-compatible broker; kafka: Apache Kafka (Java 17, and Maven the first time).",
)  # fmt: skip
@click.option("--brokers", type=click.Choice(["1", "3"]), default="1", show_default=True, help="Nodes of Apache Kafka.")
@click.option("--kafka", metavar="HOST:PORT", help="Use this broker (plaintext) instead of starting one.")
@click.option("--partitions", type=click.IntRange(1, 1000), default=4, show_default=True, help="Of each topic.")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path),
    help="Keep records and objects in this folder [default: a temporary one, removed at the end].",
)  # fmt: skip
@click.option(
    "--config", type=click.Path(dir_okay=False, path_type=Path), default="advet.local.toml", show_default=True,
    help="Where to write the settings for `advet run --config`.",
)  # fmt: skip
def local_command(
    broker: Literal["embedded", "kafka"],
    brokers: str,
    kafka: str | None,
    partitions: int,
    data: Path | None,
    config: Path,
) -> None:
    """Start a broker and an object store on this machine; Ctrl-C or SIGTERM ends them.

    Prints one JSON line on stdout as soon as everything is ready.
    """
    if brokers != "1" and (broker != "kafka" or kafka is not None):
        raise click.UsageError("--brokers goes with --broker kafka")
    plan = StackPlan(broker, int(brokers), kafka, partitions, data)
    asyncio.run(serve(plan, config.resolve()))


async def serve(plan: StackPlan, config: Path) -> None:
    """Runs the stack until SIGTERM or SIGINT; raises ChildFailed when one of its processes dies."""
    loop = asyncio.get_running_loop()
    asked = asyncio.create_task(_signalled())
    starting = loop.create_task(_run(plan, config))
    try:
        await asyncio.wait({asked, starting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
    finally:
        for task in (starting, asked):
            task.cancel()
        await asyncio.gather(starting, asked, return_exceptions=True)
    click.echo("ended", err=True)


async def _signalled() -> None:
    loop = asyncio.get_running_loop()
    ask = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask.set)
    await ask.wait()


async def _run(plan: StackPlan, config: Path) -> None:
    check_free(config)
    click.echo("starting broker and object store …", err=True)
    async with LocalStack(plan) as stack:
        stack.write_config(config)
        facts = {
            "kafka": stack.bootstrap,
            "s3_endpoint": stack.store.endpoint,
            "s3_access_key": stack.store.keys.access,
            "s3_secret_key": stack.store.keys.secret,
            "bucket": BUCKET,
            "topics": stack.settings.topics.model_dump(),
            "config": str(config),
        }
        click.echo(json.dumps(facts))
        click.echo(f"ready; next: {command_line('run', '--config', str(config))}; Ctrl-C ends it", err=True)
        failure: ChildFailed = await stack.first_death()
        raise failure
