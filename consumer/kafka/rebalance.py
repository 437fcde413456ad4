"""What happens when the group moves partitions, or when one has to be activated anew.

The listener does almost nothing, since no heartbeat is sent while it runs: newly assigned partitions are
paused at once and activated by tasks of their own. A revoke drains within a part of the session timeout.
"""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, State
from consumer.kafka.connection import topic_partition
from consumer.kafka.delivery import ActivationAbandoned, Delivery
from consumer.messages import Partition
from consumer.ops.metrics import Metrics
from consumer.settings import Settings

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.2
REVOKE_SHARE = 0.7
"""Part of the session timeout that a revoke may drain for."""


class Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """Owns the assignments: creates them when partitions come, ends them when they go."""

    def __init__(
        self,
        settings: Settings,
        consumer: AIOKafkaConsumer,
        delivery: Delivery,
        tasks: asyncio.TaskGroup,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._drain_seconds = min(settings.flow.drain_seconds, REVOKE_SHARE * settings.kafka.session_timeout_seconds)
        self._consumer = consumer
        self._delivery = delivery
        self._tasks = tasks
        self._metrics = metrics
        self.owned: dict[TopicPartition, Assignment] = {}
        self.assigned_once = False

    @property
    def in_flight(self) -> int:
        """Records taken and unfinished, over all owned partitions."""
        return sum(assignment.ledger.in_flight for assignment in self.owned.values())

    @property
    def held(self) -> int:
        """Records that count against `flow.max_records`; as many again may wait, judged, for their transaction."""
        return self.in_flight - min(self.waiting, self._settings.flow.max_records)

    @property
    def waiting(self) -> int:
        """Outcomes that wait for a transaction."""
        return sum(self._delivery.waiting(assignment) for assignment in self.owned.values())

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka inside the rebalance: pauses first, then leaves the rest to activation tasks."""
        partitions = list(assigned)
        self._consumer.pause(*partitions)
        self._metrics.rebalances.inc()
        for tp in partitions:
            self._begin(tp)
        self.assigned_once = True
        log.info("partitions_assigned", partitions=sorted(tp.partition for tp in partitions))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by aiokafka before it rejoins: finishes what can be finished in time, commits, drops the rest."""
        leaving = {tp: self.owned[tp] for tp in revoked if tp in self.owned}
        await self.drain(leaving.values(), self._drain_seconds)
        for tp in leaving:
            self._end(tp)
        if leaving:
            log.info("partitions_revoked", partitions=sorted(tp.partition for tp in leaving))

    def restart(self, assignment: Assignment) -> None:
        """Gives up an assignment whose state at the broker is unknown, and activates its partition anew."""
        tp = topic_partition(assignment.partition)
        if self.owned.get(tp) is assignment:
            self.restart_partition(tp)

    def restart_partition(self, tp: TopicPartition) -> None:
        """The same for whatever assignment the partition has; one that is leaving anyway is left alone."""
        if tp in self.owned and self.owned[tp].state is not State.DRAINING:
            self._consumer.pause(tp)
            self._begin(tp)

    async def drain(self, assignments: Iterable[Assignment], deadline_seconds: float) -> int:
        """Waits for items in flight up to the deadline, then commits; returns how many were still unfinished."""
        leaving = list(assignments)
        for assignment in leaving:
            assignment.drain()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_seconds):
                for assignment in leaving:
                    await assignment.quiet()
        await self._delivery.settle(leaving)
        return sum(assignment.ledger.in_flight for assignment in leaving)

    def end_all(self) -> None:
        """Ends every assignment at once: what still runs is cancelled and stays uncommitted."""
        for tp in list(self.owned):
            self._end(tp)

    def _begin(self, tp: TopicPartition) -> None:
        if tp in self.owned:
            self._end(tp)
        assignment = Assignment(Partition(tp.topic, tp.partition))
        self.owned[tp] = assignment
        self._spawn(self._activate(tp, assignment))

    def _end(self, tp: TopicPartition) -> None:
        assignment = self.owned.pop(tp)
        assignment.end()
        self._spawn(self._delivery.release(assignment))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._tasks.create_task(work)
        except RuntimeError:
            work.close()  # the membership is ending, and ends every lane itself

    async def _activate(self, tp: TopicPartition, assignment: Assignment) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._settings.kafka.rebalance_timeout_seconds
        while assignment.state is State.ACTIVATING:
            try:
                coverage = await self._delivery.activate(assignment)
            except ActivationAbandoned:
                return
            except (KafkaError, TimeoutError, OSError) as error:
                if clock() > deadline:
                    raise StreamBroken(f"{tp.topic}[{tp.partition}] could not be activated: {error!r}") from error
                log.warning("activation_retry", partition=tp.partition, error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if assignment.state is not State.ACTIVATING:
                await self._delivery.release(assignment)
                return
            self._consumer.seek(tp, coverage.low)
            assignment.activate(coverage, 2 * self._settings.flow.max_records)  # see `held`
            log.info(
                "partition_active",
                partition=tp.partition,
                position=coverage.low,
                finished_above=len(coverage.finished),
                isolated=assignment.isolated,
                epoch=assignment.epoch,
            )
