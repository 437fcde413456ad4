"""`advet skip` and `advet breaker reset`: through the running consumer's admin port, or without a consumer."""

import asyncio
import http.client
import json
from typing import Any

import rich_click as click

from consumer.cli.options import settings_options
from consumer.errors import AdvetError
from consumer.settings import Loaded, Settings

LOOPBACK = "127.0.0.1"
ANSWER_SECONDS = 10.0


@click.command("skip")
@click.argument("topic")
@click.argument("partition", type=click.IntRange(min=0))
@click.argument("offset", type=click.IntRange(min=0))
@click.option("--reason", required=True, help="Why; it goes into the dead letter.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options("delivery", "kafka", "topics", "storage", "admin")
def skip_command(loaded: Loaded, topic: str, partition: int, offset: int, reason: str, as_json: bool) -> None:
    """Send one record to the dead letters by hand.

    Asks the consumer on this machine (`--admin-port`); if none runs here and the group has no members at all,
    does it itself. The owner of a partition is never fenced.
    """
    settings = loaded.settings
    if topic != settings.topics.submissions:
        raise click.UsageError(f"{topic} is not the input topic, which is {settings.topics.submissions}")
    body = {"topic": topic, "partition": partition, "offset": offset, "reason": reason}
    answer = _ask(settings, "/skip", body)
    if answer is None:
        from consumer.messages import Partition
        from consumer.skip import skip_unowned

        asyncio.run(skip_unowned(settings, Partition(topic, partition), offset, reason))
    how = "skipped without an owner" if answer is None else "the owner sends it to the dead letters"
    click.echo(json.dumps(body | {"by": "takeover" if answer is None else "owner"}) if as_json else how)


@click.group("breaker")
def breaker_group() -> None:
    """The breaker: stops the stream when the machinery fails item after item."""


@breaker_group.command("reset")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options("admin")
def reset_command(loaded: Loaded, as_json: bool) -> None:
    """Close the breaker of the consumer on this machine: held items are tried again."""
    answer = _ask(loaded.settings, "/breaker/reset", {})
    if answer is None:
        raise AdvetError(
            f"no consumer answers on {LOOPBACK}:{loaded.settings.admin.port}: run this where it runs, with its "
            "--admin-port"
        )
    if as_json:
        click.echo(json.dumps(answer))
    else:
        click.echo("closed; held items are tried again" if answer["was_open"] else "it was not open")


def _ask(settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """The admin port's answer; None when nothing listens there. Raises AdvetError when it refuses."""
    port = settings.admin.port
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except ConnectionRefusedError:
        return None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise AdvetError(f"what listens on {LOOPBACK}:{port} is no consumer of advet: {error}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise AdvetError(str(answer.get("error", response.reason)))
    return answer
