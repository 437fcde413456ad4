"""`advet dlq ls`, `show`, `stats`, `export`: looking at dead letters. Replaying them is in `dlq_replay`."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import rich_click as click

from consumer.cli.dlq_options import check_topics, reading, selection_options
from consumer.cli.dlq_render import (
    creatives,
    exported,
    histogram,
    letter_json,
    letter_panels,
    letter_table,
    numbers_json,
)
from consumer.cli.dlq_replay import cancel_command, replay_command, resume_command, runs_command
from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.replay.letters import Letter
from consumer.replay.look import Newest, Numbers, find_letter, find_replay, letters
from consumer.replay.selection import Selection
from consumer.settings import Loaded, Settings
from schemas import RecordOrigin
from schemas.cloudevents import rfc3339

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("dlq")
def dlq_group() -> None:
    """Dead letters: look at them, understand them, hand them in again."""


for _command in (replay_command, runs_command, cancel_command, resume_command):
    dlq_group.add_command(_command)


@dlq_group.command("ls")
@selection_options("--cause", "--reason")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="Newest letters; 0: all.")
@as_json_option
@settings_options("kafka", "topics")
def ls_command(loaded: Loaded, selection: Selection, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first, and how many there are of each reason."""
    settings = loaded.settings
    check_topics(selection, _topics(settings))
    numbers, newest = asyncio.run(_list(settings, selection, limit))
    found = newest.newest_first()
    if as_json:
        rows = [letter_json(one) for one in found]
        counts = {"letters": numbers.letters, "unreadable": numbers.unreadable, "by_reason": dict(numbers.by_reason)}
        click.echo(json.dumps(counts | {"newest": rows}, ensure_ascii=False))
        return
    console = screen()
    if not found:
        console.print("No dead letter matches.")
        return
    console.print(letter_table(found))
    console.print(histogram(f"{numbers.letters:,} letters by reason", numbers.by_reason))
    first = found[0].record
    click.echo(f"\nadvet dlq show {first.partition.topic} {first.partition.number} {first.offset}  shows one", err=True)


async def _list(settings: Settings, selection: Selection, limit: int) -> tuple[Numbers, Newest]:
    numbers, newest = Numbers(), Newest(limit)
    with reading("dead letters") as looked:
        async for found in letters(settings, selection, looked):
            numbers.add(found)
            newest.add(found)
    return numbers, newest


@dlq_group.command("show")
@click.argument("topic")
@click.argument("partition", type=click.IntRange(min=0))
@click.argument("offset", type=click.IntRange(min=0))
@click.option("--pictures", is_flag=True, help="Fetch the pictures: shown in a terminal that can, else as files.")
@as_json_option
@settings_options("kafka", "topics", "storage")
def show_command(loaded: Loaded, topic: str, partition: int, offset: int, pictures: bool, as_json: bool) -> None:
    """Show one dead letter: facts, headers, event, pictures, and whether it was replayed."""
    settings = loaded.settings
    if topic not in _topics(settings):
        raise click.UsageError(f"{topic} holds no dead letters: {', '.join(_topics(settings))} do")
    where = RecordOrigin(topic=topic, partition=partition, offset=offset)
    found = asyncio.run(find_letter(settings, where))
    replay = asyncio.run(find_replay(settings, where))
    if as_json:
        done = {"replay": replay.model_dump(mode="json")} if replay else {}
        extra = {"pictures": creatives(found)} if isinstance(found, Letter) else {}
        click.echo(json.dumps(letter_json(found) | {"record": exported(found)} | extra | done, ensure_ascii=False))
    elif isinstance(found, Letter):
        screen().print(letter_panels(found, replay))
    else:
        screen().print(letter_table([found]))
    if pictures and isinstance(found, Letter):
        from consumer.cli.dlq_pictures import show_pictures

        asyncio.run(show_pictures(settings.storage, found))


@dlq_group.command("stats")
@selection_options("--cause", "--reason")
@as_json_option
@settings_options("kafka", "topics")
def stats_command(loaded: Loaded, selection: Selection, as_json: bool) -> None:
    """Count dead letters by reason, stage, partition, model and number of replays."""
    settings = loaded.settings
    check_topics(selection, _topics(settings))
    numbers, _ = asyncio.run(_list(settings, selection, 1))
    if as_json:
        click.echo(json.dumps(numbers_json(numbers), ensure_ascii=False))
        return
    console = screen()
    if not numbers.letters + numbers.unreadable:
        console.print("No dead letter matches.")
        return
    titles = {
        "by reason": numbers.by_reason,
        "by stage": numbers.by_stage,
        "by partition": numbers.by_partition,
        "by model": numbers.by_model,
        "by replays so far": numbers.by_replay_count,
    }
    for title, counts in titles.items():
        console.print(histogram(title, counts))
        console.print()
    console.print(f"{numbers.letters:,} letters, {numbers.value_bytes:,} bytes")
    if numbers.oldest is not None and numbers.newest is not None:
        console.print(f"written from {rfc3339(numbers.oldest)} to {rfc3339(numbers.newest)}")
    if numbers.unreadable:
        console.print(f"{numbers.unreadable:,} records are no dead letters")


@dlq_group.command("export")
@selection_options("--cause", "--reason")
@click.option("--out", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-", show_default=True,
              help="File to write, one JSON object a line; - is stdout.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was written to --out as one JSON object.")
@settings_options("kafka", "topics")
def export_command(loaded: Loaded, selection: Selection, out: Path, as_json: bool) -> None:
    """Write dead letters with their whole records, one JSON object a line."""
    settings = loaded.settings
    check_topics(selection, _topics(settings))
    if as_json and str(out) == "-":
        raise click.UsageError("--json goes with --out FILE: stdout is where the letters go")
    with _opened(out) as target:
        count = asyncio.run(_export(settings, selection, target))
    if as_json:
        click.echo(json.dumps({"out": str(out), "letters": count}))
    else:
        click.echo(f"{count:,} letters written", err=True)


async def _export(settings: Settings, selection: Selection, target: IO[str]) -> int:
    count = 0
    with reading("dead letters") as looked:
        async for found in letters(settings, selection, looked):
            target.write(json.dumps(exported(found), ensure_ascii=False) + "\n")
            count += 1
    return count


@contextlib.contextmanager
def _opened(out: Path) -> Iterator[Any]:
    if str(out) == "-":
        yield sys.stdout
        return
    try:
        with out.open("w", encoding="utf-8") as target:
            yield target
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from error


def _topics(settings: Settings) -> tuple[str, ...]:
    topics = settings.topics
    return topics.oom_dead_letters, topics.dead_letters, topics.quarantine
