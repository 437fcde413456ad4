"""Lag as metrics: of a whole group for `advet lag --serve`, of its own partitions for `advet run`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from consumer.errors import AdvetError
from consumer.kafka.group_lag import looking_at
from consumer.lag.figures import GroupLag, PartitionLag, partition_lags
from consumer.lag.reader import Unknown, looks
from consumer.messages import Holding
from consumer.ops.health import EXPOSITION
from consumer.ops.http import serving
from consumer.ops.metrics import GroupLagMetrics, PartitionLagMetrics
from consumer.settings import Settings

log = structlog.get_logger(__name__)

LEAVE_SECONDS = 3.0


async def serve_lag(settings: Settings) -> None:
    """`/metrics` and `/livez` on `lag.port` until cancelled. Raises StartRefused when the port cannot be had."""
    metrics = GroupLagMetrics()
    async with serving("lag", settings.lag.host, settings.lag.port, _application(metrics)):
        knowledge = _Knowledge(settings.kafka.group)
        async with aclosing(looks(settings, settings.lag.interval_seconds)) as results:
            async for result in results:
                if isinstance(result, Unknown):
                    metrics.clear()
                    metrics.reads_failed.inc()
                    knowledge.lost(str(result.error))
                else:
                    show_group(metrics, result)
                    metrics.reads_ok.inc()
                    knowledge.there()


def show_group(metrics: GroupLagMetrics, lag: GroupLag) -> None:
    """Sets every metric of a group from one look."""
    show_partitions(metrics.partitions, lag.group, lag.partitions)
    retention: dict[tuple[str, ...], float] = (
        {} if lag.retention_seconds is None else {(lag.topic,): lag.retention_seconds}
    )
    metrics.partitions.retention_seconds.show(retention)
    group = (lag.group,)
    metrics.members.show({group: len(lag.members)})
    metrics.state.show({(lag.group, lag.state): 1})
    metrics.gpu_seconds.show({} if lag.gpu_seconds is None else {group: lag.gpu_seconds})
    metrics.drain_seconds.show({} if lag.drain_seconds is None else {group: lag.drain_seconds})
    metrics.dead_letters.show({(t.topic,): t.records for t in lag.dead_letters})
    metrics.dead_letters_oldest_seconds.show_read(
        {(t.topic,): partial(_age, None if t.oldest_ms is None else t.oldest_ms / 1000) for t in lag.dead_letters}
    )
    metrics.replays.show(
        {
            (run.run_id, state): number
            for run in lag.runs
            for state, number in (
                ("resubmitted", run.resubmitted),
                ("quarantined", run.quarantined),
                ("refused", run.refused),
                ("left", run.left),
            )
        }
    )


def show_partitions(metrics: PartitionLagMetrics, group: str, partitions: Iterable[PartitionLag]) -> None:
    """Sets the metrics of these partitions and takes those of all others away."""
    found = {(group, p.partition.topic, str(p.partition.number)): p for p in partitions}
    metrics.records.show({labels: p.remaining for labels, p in found.items()})
    metrics.offsets.show({labels: p.offsets for labels, p in found.items()})
    metrics.oldest_seconds.show_read({labels: partial(_age, p.oldest_at_seconds) for labels, p in found.items()})
    metrics.appended.show({labels: p.appended_total for labels, p in found.items()})
    metrics.finished.show({labels: p.finished_total for labels, p in found.items()})
    metrics.assigned.show({labels: p.assigned for labels, p in found.items()})
    metrics.paused.show({(*labels, reason): 1 for labels, p in found.items() for reason in p.paused})


@asynccontextmanager
async def exporting_own(
    settings: Settings, metrics: PartitionLagMetrics, holdings: Callable[[], Sequence[Holding]]
) -> AsyncIterator[None]:
    """Keeps the metrics of the partitions that this consumer holds while the block runs."""
    task = asyncio.create_task(_export_own(settings, metrics, holdings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=LEAVE_SECONDS)  # connections to brokers that are gone close slowly


async def _export_own(
    settings: Settings, metrics: PartitionLagMetrics, holdings: Callable[[], Sequence[Holding]]
) -> None:
    knowledge = _Knowledge(settings.kafka.group)
    while True:
        try:
            async with looking_at(settings) as look:
                while True:
                    held: Mapping[int, Holding] = {h.partition.number: h for h in holdings()}
                    sight = await look.group(held)
                    paused = {number: holding.paused for number, holding in held.items()}
                    own = frozenset(holding.partition for holding in held.values())
                    show_partitions(metrics, settings.kafka.group, partition_lags(sight, own, paused))
                    kept = {(settings.topics.submissions,): sight.retention_seconds} if held else {}
                    metrics.retention_seconds.show({t: s for t, s in kept.items() if s is not None})
                    knowledge.there()
                    await asyncio.sleep(settings.lag.interval_seconds)
        except AdvetError as error:
            knowledge.lost(str(error))
        except Exception as error:  # noqa: BLE001 - the task's boundary: figures are no reason to end the stream
            knowledge.lost(repr(error))
        metrics.clear()
        await asyncio.sleep(settings.lag.interval_seconds)


class _Knowledge:
    """Logs when figures are lost and when they are there again, not every look."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._why: str | None = None

    def lost(self, why: str) -> None:
        if self._why is None:
            log.warning("lag_unknown", group=self._group, error=why)
        self._why = why

    def there(self) -> None:
        if self._why is not None:
            log.info("lag_known", group=self._group)
        self._why = None


def _application(metrics: GroupLagMetrics) -> Starlette:
    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(), media_type=EXPOSITION)

    return Starlette(routes=[Route("/livez", alive), Route("/metrics", exposition)])


def _age(since_seconds: float | None) -> float:
    return 0.0 if since_seconds is None else max(0.0, time.time() - since_seconds)
