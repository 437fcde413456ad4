"""`advet policy eval`: how right the rules are on synthetic ads whose faults are known."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.cli.options import settings_options
from consumer.cli.output import screen
from consumer.errors import StartRefused
from consumer.policy.pack import load_pack
from consumer.settings import Loaded, Settings

if TYPE_CHECKING:
    from consumer.evaluation.items import Item
    from consumer.evaluation.report import Report

EXIT_FAILED = 1
EXIT_PARTIAL = 3
ITEMS_MADE = 1200
REPORT = "report.json"

Step = Callable[[str], Callable[[int, int], None]]
"""Begins a step of the work by its name; what it gives takes how much is done, and of how much."""


@click.command("eval")
@click.option(
    "--set", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A set made before: a folder with items.jsonl and images. Without it a set is made.",
)  # fmt: skip
@click.option(
    "--items", "count", type=click.IntRange(1, 100_000),
    help=f"How many ads: to make, or to choose evenly from the set.  [default: {ITEMS_MADE}, or the whole set]",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="The same seed, the same ads."
)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Keep the report, its plots, and the set if one is made, in this folder.",
)  # fmt: skip
@click.option("--words-only", is_flag=True, help="Judge words alone and read no picture: seconds, not minutes.")
@click.option("--check", is_flag=True, help="Exit status 1 if a bar is missed, with its name.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@settings_options("policy", "ocr")
def eval_command(
    loaded: Loaded,
    folder: Path | None,
    count: int | None,
    seed: int,
    out: Path | None,
    words_only: bool,
    check: bool,
    as_json: bool,
) -> None:
    """Judge synthetic ads whose faults are known, and say how right the rules are.

    The scores show that the pipeline does what it should, not how good it is in the field. Exit status 3 when a
    picture could not be read or no plot be drawn; what there is, is printed all the same.
    """
    with contextlib.ExitStack() as stack:
        kept = out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="advet-eval-")))
        with _progress() as step:
            folder, items = _chosen(folder, count) if folder else _made(kept / "set", count or ITEMS_MADE, seed, step)
            report = _evaluated(loaded.settings, items, folder, words_only, step)
        undrawn = _keep(report, out) if out else None
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        from consumer.cli.eval_render import tables

        screen().print(*tables(report), sep="\n")
    _finish(report, undrawn, check)


def _chosen(folder: Path, count: int | None) -> tuple[Path, "tuple[Item, ...]"]:
    with _installed():
        from consumer.evaluation.items import SetUnreadable, read_set, stratified
    try:
        items = read_set(folder)
    except SetUnreadable as error:
        raise click.ClickException(str(error)) from error
    if not items:
        raise click.ClickException(f"{folder}: the set is empty; generate one with --out")
    return folder, items if count is None else stratified(items, count)


def _made(folder: Path, count: int, seed: int, step: Step) -> tuple[Path, "tuple[Item, ...]"]:
    with _installed():
        from consumer.evaluation.generator import write_set
        from consumer.evaluation.items import read_set
    try:
        write_set(folder, count, seed, step("drawing"))
    except OSError as error:
        raise click.ClickException(f"{folder}: cannot be written: {error.strerror}; choose another --out") from error
    return folder, read_set(folder)


def _evaluated(settings: Settings, items: "tuple[Item, ...]", folder: Path, words_only: bool, step: Step) -> "Report":
    with _installed():
        from consumer.evaluation.evaluate import evaluate
        from consumer.evaluation.items import SetUnreadable
        from consumer.local.kafka_install import default_cache
    cache = None if words_only else default_cache() / "ocr"
    pack = load_pack(settings.policy.pack)
    try:
        return asyncio.run(evaluate(items, folder, pack, settings.ocr, cache, step("reading")))
    except SetUnreadable as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """What the imports within need is an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StartRefused(
            f"this needs {error.name}, which is not installed: pip install 'advet[screening]'"
        ) from error


def _keep(report: "Report", out: Path) -> str | None:
    """Writes the report and its plots; returns why there are none."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).write_text(json.dumps(report.as_json(), ensure_ascii=False, indent=1), "utf-8")
    except OSError as error:
        raise click.ClickException(f"{out}: cannot be written: {error.strerror}; choose another --out") from error
    try:
        from consumer.evaluation.plots import draw
    except ModuleNotFoundError as error:
        return f"no plots: {error.name} is not installed: pip install 'advet[plots]'"
    draw(report, out)
    return None


def _finish(report: "Report", undrawn: str | None, check: bool) -> None:
    """The exit status, and why on stderr."""
    missed = [bar for bar in report.bars if check and bar.passed is False]
    for bar in missed:
        click.echo(f"missed: {bar.name}: {bar.value:.3f}, {bar.side} {bar.limit}", err=True)
    for one in report.unread:
        click.echo(f"not judged: {one.item_id}: {one.reason}", err=True)
    if undrawn:
        click.echo(undrawn, err=True)
    if missed:
        raise SystemExit(EXIT_FAILED)
    if report.unread or undrawn:
        raise SystemExit(EXIT_PARTIAL)


@contextlib.contextmanager
def _progress() -> Iterator[Step]:
    """Bars on stderr, on a terminal only."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description:>8}"), BarColumn(bar_width=36), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:

        def step(name: str) -> Callable[[int, int], None]:
            task = progress.add_task(name, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield step
