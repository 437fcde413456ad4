"""Runs as the audit log tells them: which there are, who overtook whom, and ending one."""

import getpass
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from consumer.errors import AdvetError
from consumer.kafka.replay_writer import open_writer
from consumer.messages import Partition
from consumer.replay.index import barrier, read_index, read_index_behind
from consumer.replay.plan import offsets_of
from consumer.replay.records import run_record
from consumer.replay.selection import Selection
from consumer.settings import Settings
from schemas.replay import ReplayRun, RunStatus, Stretch

ENDED = frozenset({RunStatus.DONE, RunStatus.CANCELLED})


class RunEnded(AdvetError):
    """The run cannot go on here; the message says why and what can be done."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What an operator decides about a run, beside which letters."""

    why: str
    force: bool = False
    fits: bool = False
    max_letters: int | None = None


def new_run(settings: Settings, selection: Selection, scope: tuple[Stretch, ...], orders: Orders) -> ReplayRun:
    """A run that has done nothing yet."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    return ReplayRun(
        run_id=run_id,
        status=RunStatus.RUNNING,
        who=operator(),
        why=orders.why,
        group=f"{settings.kafka.group}.replay.{run_id}",
        selection=selection.as_text(),
        scope=scope,
        force=orders.force,
        fits=orders.fits,
        max_letters=orders.max_letters,
        started_at=now,
        updated_at=now,
    )


def operator() -> str:
    """The person at this terminal."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # a container's user often has no name
        name = "unknown"
    return f"{name}@{socket.gethostname()}"


async def list_runs(settings: Settings) -> list[ReplayRun]:
    """All runs, newest first. Raises StreamBroken."""
    runs = (await read_index(settings.kafka, settings.topics.replays)).runs.values()
    return sorted(runs, key=lambda run: run.started_at, reverse=True)


async def find_run(settings: Settings, run_id: str) -> ReplayRun:
    """A run that can go on. Raises RunEnded, StreamBroken."""
    return _open_run({run.run_id: run for run in await list_runs(settings)}, run_id)


def _open_run(runs: Mapping[str, ReplayRun], run_id: str) -> ReplayRun:
    if run_id not in runs:
        raise RunEnded(f"there is no run {run_id}: `advet dlq runs` lists them")
    run = runs[run_id]
    if run.status in ENDED:
        raise RunEnded(f"run {run_id} is {run.status.value}: {run.note}")
    return run


async def cancel_run(settings: Settings, run_id: str, why: str) -> ReplayRun:
    """Ends a run for good; a process that carries it out is fenced and says so. Raises RunEnded, StreamBroken."""
    found = await find_run(settings, run_id)
    scope = offsets_of(found.scope)
    async with open_writer(settings, found.group, scope) as writer:
        positions = await writer.positions()
        first = next(iter(scope))
        position = positions.get(first, scope[first].start)
        mark = barrier(run_id, settings.topics)
        await writer.commit(first, [mark], position)
        index = await read_index_behind(mark, settings.kafka, ())  # nobody else writes the run's record any more
        run = _open_run(index.runs, run_id)
        note = f"cancelled by {operator()}: {why}"
        cancelled = run.model_copy(
            update={"status": RunStatus.CANCELLED, "updated_at": datetime.now(UTC), "note": note}
        )
        await writer.commit(first, [run_record(cancelled, settings.topics)], position)
    return cancelled


def overlapping(runs: Iterable[ReplayRun], run: ReplayRun) -> Iterator[ReplayRun]:
    """Other runs that are under way, as far as they know, in a partition of `run`."""
    mine = offsets_of(run.scope).keys()
    for other in runs:
        if other.status is RunStatus.RUNNING and other.run_id != run.run_id and mine & offsets_of(other.scope).keys():
            yield other


def overtaken_by(runs: Iterable[ReplayRun], run: ReplayRun, partition: Partition) -> str | None:
    """What to tell the operator of `run`, which was fenced in `partition`; None: it is not known yet."""
    known = {other.run_id: other for other in runs}
    where, left = f"{partition.topic}[{partition.number}]", f"`advet dlq resume {run.run_id}` does what is left of it"
    own = known.get(run.run_id)
    if own is not None and own.status is RunStatus.CANCELLED:
        return f"run {run.run_id} was {own.note}"
    newer = [
        other
        for other in known.values()
        if other.run_id != run.run_id and other.updated_at >= run.updated_at and partition in offsets_of(other.scope)
    ]
    if newer:
        by = max(newer, key=lambda other: other.updated_at)
        return (
            f"run {by.run_id} of {by.who} ({by.why}) has taken over {where}. Nothing was sent twice. When it has "
            f"ended, {left}"
        )
    if own is not None and own.updated_at > run.updated_at:
        return f"run {run.run_id} goes on in another process: {own.status.value}"
    return None
