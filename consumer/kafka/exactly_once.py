"""`delivery = exactly_once`: outcomes, offset and completion map of a partition in one transaction.

Each assignment has a lane: outcomes queue there and leave together. Idle lanes commit at once; under load a
lane begins a transaction at most every `flow.publish_seconds`, so batches grow and the broker's work does not.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from consumer.errors import StreamBroken
from consumer.kafka.assignment import Assignment, State
from consumer.kafka.committed import committed_coverage
from consumer.kafka.completion_map import Coverage, encode
from consumer.kafka.connection import AIOKAFKA, Clients, client_options, topic_partition
from consumer.kafka.delivery import ActivationAbandoned, MustRejoin, Reached
from consumer.kafka.positions import check_in_range, start_position
from consumer.kafka.transactions import Transactions
from consumer.messages import Terminal
from consumer.ops.metrics import Metrics
from consumer.settings import Settings
from consumer.values import value

log = structlog.get_logger(__name__)

REFUSED = (
    MessageSizeTooLargeError,
    OffsetMetadataTooLargeError,
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
"""Errors that trying again will not mend."""
BATCH_RECORDS = 1000
IDLE_COMMIT_SECONDS = 1.0
"""After this long without outcomes, offsets that hold no records (markers) are committed as well."""


@value()
class Outcome:
    """A judged record on its way out."""

    offset: int
    terminal: Terminal | None


class Lane:
    """One assignment's transactions."""

    def __init__(
        self,
        assignment: Assignment,
        transactions: Transactions,
        committed: Coverage,
        settings: Settings,
        metrics: Metrics,
    ) -> None:
        self.assignment = assignment
        self.transactions = transactions
        self._publish_seconds = settings.flow.publish_seconds
        self._metrics = metrics
        self._waiting: list[Outcome] = []
        self.waiting = 0
        """Outcomes that are not durable yet."""
        self._filled = asyncio.Event()
        self.hurried = asyncio.Event()
        """Set to commit what waits without a pause."""
        self._committing = asyncio.Lock()
        self._suspect: tuple[int, int] | None = None
        """Offset that is about to run alone, and the number of that try."""
        self._noted: asyncio.Future[None] | None = None
        self.committed = committed
        """What the broker has acknowledged."""
        self._in_doubt = False
        """A transaction has begun and its outcome is not known: its outcomes may be committed, or not."""
        self._starts_found = max(0, committed.starts - 1)

    def publish(self, offset: int, terminal: Terminal | None) -> None:
        """Puts the outcome into the next transaction."""
        self._waiting.append(Outcome(offset, terminal))
        self.waiting += 1
        self._filled.set()

    async def note_suspect(self, offset: int) -> int:
        """Returns once it is committed that `offset` runs alone now: how many such runs it has not survived."""
        before = self.committed
        tries = before.suspect_tries if before.suspect == offset else 0
        self._suspect = (offset, tries + 1)
        self._noted = asyncio.get_running_loop().create_future()
        self._filled.set()
        await self._noted
        return tries

    def survived(self) -> tuple[int, int] | None:
        """The run of the suspect is cut short, but not by a crash: it does not count. Returns what was noted."""
        noted = self._suspect
        if noted is not None:
            self._suspect = (noted[0], noted[1] - 1)
        return noted

    async def run(self) -> None:
        """Commits batches for as long as the assignment lives. Raises what `Transactions.commit` raises."""
        clock = asyncio.get_running_loop().time
        began = -self._publish_seconds
        while True:
            with contextlib.suppress(TimeoutError):  # not wait_for: on Python 3.11 it can swallow a cancellation
                async with asyncio.timeout(IDLE_COMMIT_SECONDS):
                    await self._filled.wait()
            if clock() < began + self._publish_seconds:
                self.hurried.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(began + self._publish_seconds):
                        await self.hurried.wait()
            began = clock()
            await self.commit()

    async def commit(self, *, clean: bool = False) -> None:
        """One transaction with all that waits; none when nothing has changed.

        `clean` notes an owner that leaves in good order: its start does not count.
        """
        async with self._committing:
            if self._in_doubt:
                raise TimeoutError("the outcome of the last transaction is unknown: only a new producer can tell")
            batch, self._waiting = self._waiting[:BATCH_RECORDS], self._waiting[BATCH_RECORDS:]
            if not self._waiting:
                self._filled.clear()
            noted, self._noted = self._noted, None
            coverage = self._coverage(batch, clean)
            if coverage != self.committed:
                terminals = [outcome.terminal for outcome in batch if outcome.terminal is not None]
                with self._metrics.transaction_seconds.time():
                    self._in_doubt = True
                    await self.transactions.commit(terminals, coverage.low, encode(coverage))
                    self._in_doubt = False
                self._metrics.transactions.inc()
                self.committed = coverage
            self.waiting -= len(batch)
            self.assignment.finish(*[outcome.offset for outcome in batch])
            if noted is not None and not noted.done():
                noted.set_result(None)

    def _coverage(self, batch: Iterable[Outcome], clean: bool) -> Coverage:
        low, finished = self.assignment.ledger.after([outcome.offset for outcome in batch])
        before = self.committed
        starts = self._starts_found if clean else before.starts
        if self.assignment.proven(low):
            starts = 0
        suspect = self._suspect or (before.suspect, before.suspect_tries)
        if suspect[0] is None or suspect[0] < low or suspect[0] in finished:
            suspect = (None, 0)  # it has its outcome
            self._suspect = None
        return Coverage(low, finished, starts, *suspect)


class ExactlyOnce:
    """`Delivery` in transactions."""

    def __init__(
        self,
        settings: Settings,
        consumer: AIOKafkaConsumer,
        metrics: Metrics,
        reached: Reached,
        clients: Clients = AIOKAFKA,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._metrics = metrics
        self._reached = reached
        self._clients = clients
        self._admin = clients.admin(**client_options(settings.kafka))
        self._lanes: dict[Assignment, Lane] = {}
        self._running: dict[Assignment, asyncio.Task[None]] = {}
        self._floors: dict[TopicPartition, int] = {}
        """Low offsets that this process knows to be committed."""
        self._survived: dict[TopicPartition, tuple[int, int] | None] = {}
        """Suspects, and their tries, whose run ended with a lost lane and not with this process."""
        self._tasks: asyncio.TaskGroup
        self._lost: Callable[[Assignment], None]

    async def start(self, tasks: asyncio.TaskGroup, lost: Callable[[Assignment], None]) -> None:
        """Connects."""
        self._tasks, self._lost = tasks, lost
        await self._admin.start()

    async def activate(self, assignment: Assignment) -> Coverage:
        """Fences earlier owners, then reads what they committed, then counts this start."""
        tp = topic_partition(assignment.partition)
        transactions = Transactions(self._settings.kafka, tp, self._reached, self._clients)
        try:
            await transactions.start()
            await self._reached("activating")
            coverage = await self._committed(tp, transactions)
            _check_wanted(assignment)
            if self._survived.pop(tp, None) == (coverage.suspect, coverage.suspect_tries):
                coverage = replace(coverage, suspect_tries=coverage.suspect_tries - 1)
            restarted = coverage.restarted()
            await transactions.commit([], restarted.low, encode(restarted))
            await self._reached("activated")
            _check_wanted(assignment)
        except BaseException:
            await transactions.stop()
            raise
        lane = Lane(assignment, transactions, restarted, self._settings, self._metrics)
        self._floors[tp] = max(coverage.low, self._floors.get(tp, 0))
        self._lanes[assignment] = lane
        self._running[assignment] = self._tasks.create_task(self._run(lane))
        return coverage

    async def _committed(self, tp: TopicPartition, transactions: Transactions) -> Coverage:
        coverage = await committed_coverage(self._admin, transactions, self._settings.kafka.group, tp)
        low = -1 if coverage is None else coverage.low
        if low < self._floors.get(tp, -1):
            raise TimeoutError(f"the coordinator answered {low} for {tp}, which is older than acknowledged")
        if coverage is None:
            return Coverage(await start_position(self._consumer, tp, self._settings.kafka.start))
        await check_in_range(self._consumer, tp, low)
        return coverage

    async def _run(self, lane: Lane) -> None:
        """A lane's loop, and the decision what its end means."""
        try:
            await lane.run()
        except REFUSED as error:
            raise StreamBroken(
                f"{lane.assignment.partition}: the broker will not take this: {error!r}. "
                "`advet topics apply` and `advet doctor` tell what is missing"
            ) from error
        except (KafkaError, TimeoutError, OSError) as error:
            # The outcome is unknown: only a new producer and the committed state can tell. Items are judged again.
            log.warning("transaction_lost", partition=lane.assignment.partition.number, error=repr(error))
            self._metrics.transactions_lost.inc()
            tp = topic_partition(lane.assignment.partition)
            self._survived[tp] = lane.survived()
            self._lost(lane.assignment)

    async def publish(self, assignment: Assignment, offset: int, terminal: Terminal | None) -> None:
        """Returns at once: the outcome is committed together with the offset, and with others."""
        self._lanes[assignment].publish(offset, terminal)

    def waiting(self, assignment: Assignment) -> int:
        """Outcomes that wait for the next transaction."""
        lane = self._lanes.get(assignment)
        return 0 if lane is None else lane.waiting

    def hurry(self) -> None:
        """Ends the pauses between transactions that are under way."""
        for lane in self._lanes.values():
            lane.hurried.set()

    async def suspect(self, assignment: Assignment, offset: int) -> int:
        """Commits that `offset` runs alone from now on; returns how many such runs it has not survived."""
        return await self._lanes[assignment].note_suspect(offset)

    async def settle(self, assignments: Iterable[Assignment]) -> None:
        """Commits what is finished, and that this start ended well; a lane that cannot is left to the next owner."""
        await asyncio.gather(*(self._settle(lane) for a in assignments if (lane := self._lanes.get(a)) is not None))

    async def _settle(self, lane: Lane) -> None:
        try:
            await self._reached("draining")
            lane.survived()
            await lane.commit(clean=not lane.assignment.ledger.in_flight)
            tp = topic_partition(lane.assignment.partition)
            self._floors[tp] = lane.committed.low
        except (MustRejoin, KafkaError, TimeoutError, OSError) as error:
            log.warning("settle_failed", partition=lane.assignment.partition.number, error=repr(error))

    async def release(self, assignment: Assignment) -> None:
        """Ends the lane and its producer."""
        running = self._running.pop(assignment, None)
        if running is not None:
            running.cancel()
        lane = self._lanes.pop(assignment, None)
        if lane is not None:
            await lane.transactions.stop()

    async def stop(self) -> None:
        """Ends all lanes."""
        await asyncio.gather(*(self.release(assignment) for assignment in list(self._lanes)))
        await self._admin.close()


def _check_wanted(assignment: Assignment) -> None:
    if assignment.state is not State.ACTIVATING:
        raise ActivationAbandoned(f"{assignment.partition} was taken away while it was activated")
