"""Options of `advet dlq` that say which letters, and the bar that shows how far reading is."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.cli.moment import Moment
from consumer.cli.options import utf8_only
from consumer.replay.plan import Looked
from consumer.replay.selection import Selection
from schemas import Reason, Stage


def _each_utf8(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        utf8_only(ctx, param, value)
    return values


def _many(name: str, words: str, **kind: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    parameter = "select_" + name.strip("-").replace("-", "_")
    return click.option(name, parameter, multiple=True, help=words, **kind)


_CAUSE: dict[str, Any] = {
    "multiple": True,
    "type": click.Choice([reason.value for reason in Reason]),
    "metavar": "REASON",
    "help": "Why it failed; may be given more than once, as the others.",
}
_OPTIONS = (
    _many("--stage", "The step that gave up.", type=click.Choice([stage.value for stage in Stage]), metavar="STAGE"),
    _many("--topic", "Topic of dead letters [default: both].", callback=_each_utf8, metavar="TOPIC"),
    _many("--partition", "Of that topic.", type=click.IntRange(min=0), metavar="NUMBER"),
    click.option("--since", "select_since", type=Moment(), help="Written then or later: 2h, or a time with its zone."),
    click.option("--until", "select_until", type=Moment(), help="Written before: 30m, or a time with its zone."),
    _many("--key", "The original's key, which is the submission's id.", callback=_each_utf8, metavar="KEY"),
    _many("--advertiser", "The advertiser's id.", callback=_each_utf8, metavar="ID"),
    _many("--model", "The model that was asked.", callback=_each_utf8, metavar="MODEL"),
    _many("--replay-count", "How often it was replayed before.", type=click.IntRange(min=0), metavar="NUMBER"),
)  # fmt: skip


def selection_options(*cause_flags: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds the filters; the command receives `selection: Selection` in their place.

    `cause_flags` spell the filter by reason: `--reason` itself is why an operator acts, where there is one.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(**given: Any) -> Any:
            chosen = {name: given.pop(name) for name in list(given) if name.startswith("select_")}
            return command(selection=_selection(chosen), **given)

        decorated = run
        for option in reversed((click.option(*cause_flags, "select_cause", **_CAUSE), *_OPTIONS)):
            decorated = option(decorated)
        return decorated

    return decorate


def _selection(chosen: dict[str, Any]) -> Selection:
    since, until = chosen["select_since"], chosen["select_until"]
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since must be before --until, or no letter can match")
    return Selection(
        reasons=tuple(Reason(value) for value in chosen["select_cause"]),
        stages=tuple(Stage(value) for value in chosen["select_stage"]),
        topics=tuple(dict.fromkeys(chosen["select_topic"])),
        partitions=chosen["select_partition"],
        since=since,
        until=until,
        keys=chosen["select_key"],
        advertisers=chosen["select_advertiser"],
        models=chosen["select_model"],
        replay_counts=chosen["select_replay_count"],
    )


def check_topics(selection: Selection, known: tuple[str, ...]) -> None:
    """Raises click.UsageError for a topic that holds no dead letters for this command."""
    for topic in selection.topics:
        if topic not in known:
            raise click.UsageError(f"--topic {topic}: must be one of {', '.join(known)}")


@contextlib.contextmanager
def reading(what: str) -> Iterator[Looked]:
    """A bar on stderr, only on a terminal."""
    columns = (TextColumn(what), BarColumn(bar_width=36), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task(what, total=None)

        def looked(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        yield looked
