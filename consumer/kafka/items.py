"""One record from its reading until its outcome is durable: in order per key, together with others or alone.

judge → hand the outcome over → `durable`, from the delivery → the next record of the key. A task judges one record
after the other for as long as none of them waits, and another one takes over when one does; while an outcome waits for
its transaction nothing of its record runs. A task for each would cost more than most of what is done with a record.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable
from typing import Protocol

from consumer.kafka.assignment import Assignment, State
from consumer.kafka.delivery import Delivery
from consumer.kafka.turns import Turns
from consumer.messages import RawRecord, Terminal


class Work(Protocol):
    """What is done with a record between reading it and publishing its outcome."""

    def open(self, record: RawRecord) -> None:
        """Counts the record against the bounds."""

    def prefer(self, record: RawRecord) -> None:
        """The record runs alone while others wait for their turn: bounds must not make it wait for them."""

    async def process(self, record: RawRecord) -> Terminal | None:
        """The record's terminal record, or None for a withdrawal. Never raises but for cancellation."""

    async def crashed(self, record: RawRecord, crashes: int) -> Terminal:
        """The dead letter of a record that has ended `crashes` processes while it ran alone."""
        ...

    async def skipped(self, record: RawRecord, reason: str) -> Terminal:
        """The dead letter of a record that a person sent there."""
        ...

    def committed(self, record: RawRecord, judged_at: float) -> None:
        """The record's terminal record, there since `judged_at` (Unix time), is durable."""

    def close(self, record: RawRecord) -> None:
        """Gives back what `open` and `process` counted; what is not committed by now is left to the next owner."""

    def pauses(self, records_in_flight: int) -> frozenset[str]:
        """Why nothing more may be read now."""
        ...

    def room(self, records_in_flight: int) -> int:
        """Records that may be read at once; at least 1."""
        ...


SLICE_SECONDS = 0.005
"""Records that never wait are judged for so long before others get the event loop."""


class Items:
    """Runs the records of one membership."""

    def __init__(self, work: Work, delivery: Delivery, tasks: asyncio.TaskGroup, crashes_alone: int) -> None:
        self.work = work
        self.delivery = delivery
        self.crashes_alone = crashes_alone
        """Crashes of a record that runs alone, after which it is a dead letter."""
        self.turns = Turns()
        self.freed = asyncio.Event()
        """Something in flight has finished, so a pause may be over."""
        self._tasks = tasks
        self._ready: deque[Item] = deque()
        self._next_task_wanted = False

    def take(self, assignment: Assignment, record: RawRecord) -> None:
        """Runs the record, once those of its key that came before are durable."""
        self.work.open(record)
        key = assignment.key_of(record)
        if assignment.keys.admit(key, record):
            self.start(assignment, key, record)

    def start(self, assignment: Assignment, key: Hashable, record: RawRecord) -> None:
        """Runs the record soon."""
        item = Item(self, assignment, key, record)
        assignment.items.add(item)
        self._ready.append(item)
        self._want_task()

    def _want_task(self) -> None:
        """Whatever waits when this step of the event loop ends gets a task."""
        if not self._next_task_wanted:
            self._next_task_wanted = True
            asyncio.get_running_loop().call_soon(self._start_task)

    def _start_task(self) -> None:
        self._next_task_wanted = False
        if not self._ready:
            return
        running = self._run_ready()
        try:
            self._tasks.create_task(running)
        except RuntimeError:  # the membership is ending; what waits is abandoned with its assignment
            running.close()

    async def _run_ready(self) -> None:
        clock, this = asyncio.get_running_loop().time, asyncio.current_task()
        if this is None:
            raise RuntimeError("records are judged in tasks")
        began = clock()
        try:
            while self._ready:
                item = self._ready.popleft()
                if self._ready:
                    self._want_task()
                await item.run(this)
                if clock() - began > SLICE_SECONDS:
                    break  # the next task goes on, after the others
        finally:
            if self._ready:
                self._want_task()


class Item:
    """One record, `assignment.InFlight`."""

    __slots__ = ("_assignment", "_durable", "_items", "_judged_at", "_judging", "_key", "_left", "_record")

    def __init__(self, items: Items, assignment: Assignment, key: Hashable, record: RawRecord) -> None:
        self._items = items
        self._assignment = assignment
        self._key = key
        self._record = record
        self._judging: asyncio.Task[None] | None = None
        self._left = False
        """Handed over, or abandoned."""
        self._judged_at: float | None = None
        """Of a terminal record; a withdrawal has none."""
        self._durable: asyncio.Future[None] | None = None

    async def run(self, task: asyncio.Task[None]) -> None:
        """Judges the record in `task`, the current one, and hands its outcome over.

        Alone in the process while the assignment is isolated.
        """
        items, assignment = self._items, self._assignment
        if self._left:
            return
        self._judging = task
        try:
            if not assignment.isolated:
                if not items.turns.enter():
                    await items.turns.admission()
                try:
                    terminal = await self._judge(task)
                finally:
                    items.turns.leave()
                items.freed.set()
                await self._hand_over(terminal)
                return
            # alone until its outcome is durable: a death that another record causes must not count
            async with items.turns.alone():
                if assignment.state is State.ACTIVE:  # else its run would be cut short, which looks like a crash
                    items.work.prefer(self._record)
                    await self._run_suspect(task)
        finally:
            assignment.dismiss(self)
            if not self._left:
                self.abandon()

    async def _run_suspect(self, task: asyncio.Task[None]) -> None:
        record = self._record
        crashes = await self._items.delivery.suspect(self._assignment, record.offset)
        if crashes >= self._items.crashes_alone:
            terminal: Terminal | None = await self._items.work.crashed(record, crashes)
        else:
            terminal = await self._judge(task)
        self._durable = asyncio.get_running_loop().create_future()
        await self._hand_over(terminal)
        await self._durable

    async def _judge(self, task: asyncio.Task[None]) -> Terminal | None:
        """The record's outcome, unless a person skips it before it has one."""
        assignment, record = self._assignment, self._record
        assignment.begin_judging(record.offset, task)
        try:
            if record.offset not in assignment.skips:
                return await self._items.work.process(record)
        except asyncio.CancelledError:
            if not assignment.cancelled_by_skip(record.offset):
                raise
        finally:
            assignment.end_judging(record.offset)
        return await self._items.work.skipped(record, assignment.skips.pop(record.offset))

    async def _hand_over(self, terminal: Terminal | None) -> None:
        if terminal is not None:
            self._judged_at = time.time()
        self._left = True
        self._assignment.hand_over(self._record.offset, self)
        await self._items.delivery.publish(self._assignment, self._record.offset, terminal)

    def durable(self) -> None:
        """The outcome is durable: the next record of the key may run."""
        if self._judged_at is not None:
            self._items.work.committed(self._record, self._judged_at)
        self._close()
        if self._durable is not None and not self._durable.done():
            self._durable.set_result(None)
        following = self._assignment.keys.release(self._key)
        if following is not None:
            self._items.start(self._assignment, self._key, following)

    def cancel(self) -> None:
        """Ends the judging, or what would have become of it."""
        if self._judging is not None:
            self._judging.cancel()
        else:
            self.abandon()

    def abandon(self) -> None:
        """The record, and those of its key that waited for it, are left to the next owner."""
        self._left = True
        self._assignment.dismiss(self)
        self._close()
        for waiting in self._assignment.keys.abandon(self._key):
            self._items.work.close(waiting)

    def _close(self) -> None:
        self._items.work.close(self._record)
        self._items.freed.set()
