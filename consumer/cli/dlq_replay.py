"""`advet dlq replay`, `runs`, `cancel`, `resume`: a plan first, then a run that anybody can look at."""

import asyncio
import contextlib
import json
import math
import signal
from collections.abc import Callable, Iterator
from typing import Any

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from consumer.cli.dlq_options import check_topics, reading, selection_options
from consumer.cli.dlq_render import plan_json, plan_report, run_table
from consumer.cli.options import settings_options, utf8_only
from consumer.cli.output import screen
from consumer.cli.program import command_line
from consumer.kafka.group_lag import oldest_unfinished_seconds
from consumer.replay.capacity import Devices, devices_of, read_alive
from consumer.replay.guards import Guards
from consumer.replay.index import Judged, read_index
from consumer.replay.pace import Pace
from consumer.replay.plan import Plan, find_scope, leave_taken, make_plan
from consumer.replay.run import Replay
from consumer.replay.runs import Orders, RunEnded, cancel_run, find_run, list_runs, new_run
from consumer.replay.selection import Selection
from consumer.settings import Loaded, Settings
from schemas.replay import ReplayRun, RunStatus, Stretch

WHY_CHARS_MAX = 500
EXIT_INTERRUPTED = 130
_GROUPS = ("delivery", "kafka", "topics", "storage")


def _filled(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("say why: it goes into the audit log", ctx, param)
    if value is not None and len(value) > WHY_CHARS_MAX:
        raise click.BadParameter(f"at most {WHY_CHARS_MAX} characters", ctx, param)
    return utf8_only(ctx, param, value)


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number to go by", ctx, param)
    return value


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
pace_options = (
    click.option("--rate", type=click.FloatRange(min=0.01, max=1e6), callback=_finite, metavar="NUMBER",
                 help="Letters a second at most."),
    click.option("--yield-to-lag", "yield_to_lag", type=click.FloatRange(min=0), callback=_finite, metavar="SECONDS",
                 help="Wait while the oldest unfinished record of the input is older than this."),
)  # fmt: skip


def _paced(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(pace_options):
        command = option(command)
    return command


@click.command("replay")
@selection_options("--cause")
@click.option("--execute", is_flag=True, help="Do it; without this the plan is shown and nothing is sent.")
@click.option("--reason", callback=_filled, help="Why you do it; goes into the audit log. Needed with --execute.")
@click.option("--force", is_flag=True, help="Also what failed again on the same model and policy.")
@click.option("--fits", is_flag=True, help="Only what fits the memory that running consumers report free now.")
@click.option("--max", "max_letters", type=click.IntRange(min=1), help="Send at most this many letters.")
@_paced
@as_json_option
@settings_options(*_GROUPS)
def replay_command(
    loaded: Loaded,
    selection: Selection,
    execute: bool,
    reason: str | None,
    force: bool,
    fits: bool,
    max_letters: int | None,
    rate: float | None,
    yield_to_lag: float | None,
    as_json: bool,
) -> None:
    """Plan a replay of dead letters, or with --execute carry it out: each letter once, whatever happens meanwhile.

    Exit status 130 when it was stopped before its end; `advet dlq resume` goes on.
    """
    settings = loaded.settings
    check_topics(selection, (settings.topics.oom_dead_letters, settings.topics.dead_letters))
    if execute and reason is None:
        raise click.UsageError('--execute needs --reason "…": it goes into the audit log')
    if reason is not None and not execute:
        raise click.UsageError("--reason goes with --execute: a plan leaves no trace")
    orders = Orders(reason or "", force, fits, max_letters)
    planned = asyncio.run(_plan(settings, selection, None, orders))
    if not as_json:
        screen().print(plan_report(planned.plan, max_letters))
    if not execute or not planned.plan.letters + planned.plan.quarantine.total():
        if as_json:
            click.echo(json.dumps({"executed": False, "plan": plan_json(planned.plan, max_letters)}))
        else:
            hint = 'Nothing was sent; --execute --reason "…" does it.' if planned.plan.letters else "Nothing to send."
            click.echo(hint, err=True)
        return
    run = new_run(settings, planned.selection, planned.plan.scope, orders)
    _execute(settings, run, planned, _pace(settings, rate, yield_to_lag), as_json)


@click.command("resume")
@click.argument("run_id")
@_paced
@as_json_option
@settings_options(*_GROUPS)
def resume_command(loaded: Loaded, run_id: str, rate: float | None, yield_to_lag: float | None, as_json: bool) -> None:
    """Go on with a run that was stopped, killed or overtaken."""
    settings = loaded.settings
    run = asyncio.run(find_run(settings, run_id))
    try:
        selection = Selection.from_text(run.selection)
    except ValueError as error:
        raise RunEnded(f"run {run_id} cannot be resumed here: {error}") from error
    orders = Orders(run.why, run.force, run.fits, run.max_letters)
    planned = asyncio.run(_plan(settings, selection, run.scope, orders))
    _execute(settings, run, planned, _pace(settings, rate, yield_to_lag), as_json)


@click.command("runs")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Newest runs.")
@as_json_option
@settings_options("kafka", "topics")
def runs_command(loaded: Loaded, limit: int, as_json: bool) -> None:
    """List replay runs: who, why, when, how far."""
    runs = asyncio.run(list_runs(loaded.settings))[:limit]
    if as_json:
        click.echo(json.dumps({"runs": [run.model_dump(mode="json") for run in runs]}, ensure_ascii=False))
    elif runs:
        screen().print(run_table(runs))
    else:
        click.echo("No run so far.")


@click.command("cancel")
@click.argument("run_id")
@click.option("--reason", callback=_filled, required=True, help="Why; goes into the audit log.")
@as_json_option
@settings_options(*_GROUPS)
def cancel_command(loaded: Loaded, run_id: str, reason: str, as_json: bool) -> None:
    """End a run for good; a process that carries it out is stopped at once, and says so."""
    run = asyncio.run(cancel_run(loaded.settings, run_id, reason))
    if as_json:
        click.echo(run.model_dump_json())
        return
    click.echo(f"run {run_id} is cancelled; {run.resubmitted:,} letters had been sent")
    if loaded.settings.delivery == "at_least_once":
        click.echo("at_least_once fences nobody: a process that still carries it out has to be ended", err=True)


class _Planned:
    """A plan, and what carrying it out goes by."""

    def __init__(self, selection: Selection, plan: Plan, verdicts: Judged, devices: Devices | None) -> None:
        self.selection = selection
        self.plan = plan
        self.verdicts = verdicts
        self.devices = devices


async def _plan(
    settings: Settings, selection: Selection, scope: tuple[Stretch, ...] | None, orders: Orders
) -> _Planned:
    reports = await read_alive(settings)
    devices = devices_of(reports, settings.topics.submissions)
    if scope is None:
        selection = leave_taken(settings, selection, reports)
    if orders.fits and not devices.known:
        raise RunEnded(
            f"--fits: no running consumer of {settings.topics.submissions} reports the memory of a device, so nothing "
            "is known to fit. Start one with a GPU, or leave --fits out"
        )
    where = await find_scope(settings, selection) if scope is None else scope
    index = await read_index(settings.kafka, settings.topics.replays, where)
    needed = devices if orders.fits else None
    guards = Guards(index.replayed, settings.kafka.max_record_bytes, orders.force, needed)
    with reading("planning") as looked:
        plan, verdicts = await make_plan(settings, selection, where, guards, devices, looked)
    return _Planned(selection, plan, verdicts, needed)


def _pace(settings: Settings, rate: float | None, yield_to_lag: float | None) -> Pace:
    def yielding(age_seconds: float) -> None:
        click.echo(f"waiting: the oldest unfinished record is {age_seconds:.0f} s old", err=True)

    return Pace(rate, yield_to_lag, lambda: oldest_unfinished_seconds(settings), yielding)


def _execute(settings: Settings, run: ReplayRun, planned: _Planned, pace: Pace, as_json: bool) -> None:
    click.echo(f"run {run.run_id}", err=True)
    ended = asyncio.run(_carry_out(settings, run, planned, pace))
    if as_json:
        click.echo(json.dumps({"executed": True, "run": ended.model_dump(mode="json")}, ensure_ascii=False))
    else:
        screen().print(run_table([ended]))
    if ended.status is RunStatus.PAUSED:
        click.echo(f"stopped; `{command_line('dlq', 'resume', run.run_id)}` goes on", err=True)
        raise SystemExit(EXIT_INTERRUPTED)


async def _carry_out(settings: Settings, run: ReplayRun, planned: _Planned, pace: Pace) -> ReplayRun:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, pace.stop)
    total = run.resubmitted + run.quarantined + planned.plan.letters + planned.plan.quarantine.total()
    with _bar(total) as progress:
        replay = Replay(settings, run, planned.verdicts, planned.devices, pace, progress)
        return await replay.execute()


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Callable[[ReplayRun], None]]:
    """Letters sent, on stderr, only on a terminal."""
    columns = (TextColumn("replaying"), BarColumn(bar_width=36), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("replaying", total=total)
        yield lambda run: progress.update(bar, completed=run.resubmitted + run.quarantined)
