"""`advet topics`: the topics as advet needs them."""

import asyncio
import json
from typing import Any

import rich_click as click
from rich.table import Table

from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.kafka.admin import admin_client
from consumer.kafka.topics import Step, Topic, apply, existing_topics, make_plan
from consumer.settings import Loaded, Settings

_STYLES = {"create": "green", "raise": "yellow", "differs": "red", "ok": "dim"}


@click.group("topics")
def topics_group() -> None:
    """Topics: what advet needs, and what the cluster has."""


@topics_group.command("apply")
@click.option("--partitions", type=click.IntRange(1, 10_000), help="Of topics to create [default: as the input, or 4].")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options("kafka", "topics")
def apply_command(loaded: Loaded, partitions: int | None, dry_run: bool, as_json: bool) -> None:
    """Create missing topics and raise limits that are too low; never shrink or delete.

    Exit status 3 when a difference is left that has to be settled by hand.
    """
    steps, notes = asyncio.run(_apply(loaded.settings, partitions, dry_run))
    if as_json:
        rows = [{"topic": step.topic, "action": step.kind, "detail": step.detail} for step in steps]
        click.echo(json.dumps({"dry_run": dry_run, "steps": rows, "notes": notes}, ensure_ascii=False))
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("topic", "action", "detail"):
            table.add_column(column, overflow="fold")
        for step in steps:
            table.add_row(step.topic, f"[{_STYLES[step.kind]}]{step.kind}[/]", step.detail)
        screen().print(table)
        for note in notes:
            click.echo(note, err=True)
    if notes or any(step.kind == "differs" for step in steps):
        raise SystemExit(3)


async def _apply(settings: Settings, partitions: int | None, dry_run: bool) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    async with admin_client(settings.kafka) as admin:
        steps = await make_plan(admin, settings, partitions)
        return steps, () if dry_run else await apply(admin, steps)


@topics_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_options("kafka", "topics")
def list_command(loaded: Loaded, as_json: bool) -> None:
    """Show advet's topics as the cluster has them."""
    topics = asyncio.run(_list(loaded.settings))
    if as_json:
        click.echo(json.dumps(topics, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "partitions", "replicas", "kept", "largest record"):
        table.add_column(column, overflow="fold")
    for topic in topics.values():
        if topic["partitions"] is None:
            table.add_row(topic["name"], "[red]missing[/]")
            continue
        configs = topic["configs"]
        cells = (_kept(configs.get("retention.ms")), configs.get("max.message.bytes", "?"))
        table.add_row(topic["name"], str(topic["partitions"]), str(topic["replicas"]), *cells)
    screen().print(table)


_SHOWN = ("cleanup.policy", "retention.ms", "max.message.bytes", "min.insync.replicas")


def _kept(retention_ms: str | None) -> str:
    """A retention as people say it; the cluster's -1 keeps records for ever."""
    if retention_ms is None:
        return "?"
    days = int(retention_ms) / 86_400_000
    if days < 0:
        return "for ever"
    return f"{days:.3g} days" if days >= 1 else f"{days * 24:.3g} hours"


async def _list(settings: Settings) -> dict[str, dict[str, Any]]:
    names: dict[str, str] = settings.topics.model_dump()
    async with admin_client(settings.kafka) as admin:
        found = await existing_topics(admin, names.values())
    return {role: _shown(name, found.get(name)) for role, name in names.items()}


def _shown(name: str, topic: Topic | None) -> dict[str, Any]:
    if topic is None:
        return {"name": name, "partitions": None, "replicas": None, "configs": {}}
    configs = {key: topic.configs[key] for key in _SHOWN if key in topic.configs}
    return {"name": name, "partitions": topic.partitions, "replicas": topic.replication, "configs": configs}
