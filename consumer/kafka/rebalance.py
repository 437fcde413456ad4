"""What happens when the group moves partitions.

The listener does almost nothing, since no heartbeat is sent while it runs: newly assigned partitions are
paused at once and activated by tasks of their own. A revoke drains within a part of the session timeout.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, State
from consumer.kafka.publisher import AtLeastOncePublisher
from consumer.messages import Partition
from consumer.ops.metrics import Metrics
from consumer.settings import Settings

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5
REVOKE_SHARE = 0.7
"""Part of the session timeout that a revoke may drain for."""


class Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Owns the assignments: creates them when partitions come, ends them when they go."""

    def __init__(
        self,
        settings: Settings,
        consumer: AIOKafkaConsumer,
        publisher: AtLeastOncePublisher,
        tasks: asyncio.TaskGroup,
        metrics: Metrics,
    ) -> None:
        self._start = settings.kafka.start
        self._activation_seconds = settings.kafka.rebalance_timeout_seconds
        self._drain_seconds = min(settings.flow.drain_seconds, REVOKE_SHARE * settings.kafka.session_timeout_seconds)
        self._consumer = consumer
        self._publisher = publisher
        self._tasks = tasks
        self._metrics = metrics
        self.owned: dict[TopicPartition, Assignment] = {}
        self.assigned_once = False

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called by aiokafka inside the rebalance: pauses first, then leaves the rest to activation tasks."""
        partitions = list(assigned)
        self._consumer.pause(*partitions)
        self._metrics.rebalances.inc()
        for tp in partitions:
            assignment = Assignment(Partition(tp.topic, tp.partition))
            self.owned[tp] = assignment
            self._tasks.create_task(self._activate(tp, assignment))
        self.assigned_once = True
        log.info("partitions_assigned", partitions=sorted(tp.partition for tp in partitions))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called by aiokafka before it rejoins: finishes what can be finished in time, commits, drops the rest."""
        leaving = {tp: self.owned[tp] for tp in revoked if tp in self.owned}
        await self.drain(leaving.values(), self._drain_seconds)
        for tp, assignment in leaving.items():
            assignment.end()
            del self.owned[tp]
        if leaving:
            log.info("partitions_revoked", partitions=sorted(tp.partition for tp in leaving))

    async def drain(self, assignments: Iterable[Assignment], deadline_seconds: float) -> int:
        """Waits for items in flight up to the deadline, then commits; returns how many were still unfinished."""
        leaving = list(assignments)
        for assignment in leaving:
            assignment.drain()
        items = [item for assignment in leaving for item in assignment.items]
        if items:
            await asyncio.wait(items, timeout=deadline_seconds)
        await self._publisher.commit(leaving)
        return sum(assignment.ledger.in_flight for assignment in leaving)

    async def _activate(self, tp: TopicPartition, assignment: Assignment) -> None:
        deadline = asyncio.get_running_loop().time() + self._activation_seconds
        while assignment.state is State.ACTIVATING:
            try:
                position = await self._position(tp)
            except KafkaError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise StreamBroken(f"no committed offset could be read for {tp}: {error!r}") from error
                log.warning("activation_retry", partition=tp.partition, error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if assignment.state is State.ACTIVATING:
                self._consumer.seek(tp, position)
                assignment.activate(position)
                log.info("partition_active", partition=tp.partition, position=position, epoch=assignment.epoch)

    async def _position(self, tp: TopicPartition) -> int:
        committed: int | None = await self._consumer.committed(tp)
        if committed is not None:
            return committed
        if self._start == "earliest":
            offsets: dict[TopicPartition, int] = await self._consumer.beginning_offsets([tp])
            return offsets[tp]
        if self._start == "latest":
            offsets = await self._consumer.end_offsets([tp])
            return offsets[tp]
        moment_ms = int(datetime.fromisoformat(self._start).timestamp() * 1000)
        found = (await self._consumer.offsets_for_times({tp: moment_ms}))[tp]
        if found is not None:
            return int(found.offset)
        offsets = await self._consumer.end_offsets([tp])
        return offsets[tp]
