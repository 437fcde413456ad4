"""One partition while this member owns it: epoch, ledger, order per key, running items."""

import asyncio
import itertools
from collections.abc import Collection, Hashable
from enum import Enum
from typing import Protocol

from consumer.errors import AdvetError
from consumer.kafka.completion_map import WINDOW_OFFSETS, Coverage
from consumer.kafka.ledger import KeyOrder, PartitionLedger
from consumer.messages import Holding, Partition, RawRecord

ISOLATE_AT_STARTS = 2
ISOLATED = "isolated"
"""The one key of all records while they run one at a time."""
AHEAD = "window"
"""Why a partition pauses that is as far ahead of its lowest unfinished offset as the completion map reaches."""


class State(Enum):
    """Where an assignment stands."""

    ACTIVATING = "activating"
    """Assigned by the group; the position is not known yet, so nothing may be read."""
    ACTIVE = "active"
    DRAINING = "draining"
    """Nothing more is taken; what runs may still finish."""
    ENDED = "ended"
    """Of an old epoch: whatever finishes now changes nothing."""


class SkipRefused(AdvetError):
    """The record cannot be skipped; the message says why."""


class InFlight(Protocol):
    """A record that is judged, or whose outcome is on its way out."""

    def cancel(self) -> None:
        """The epoch has ended while it was judged."""

    def durable(self) -> None:
        """The outcome is durable."""

    def abandon(self) -> None:
        """The epoch has ended before it was."""


class Assignment:
    """Created at every assignment, also of a partition that was owned before."""

    _epochs = itertools.count(1)

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.epoch = next(self._epochs)
        self.state = State.ACTIVATING
        self.ledger = PartitionLedger(0)
        self.keys: KeyOrder[RawRecord] = KeyOrder()
        self.items: set[InFlight] = set()
        """Records that are judged now."""
        self._handed_over: dict[int, InFlight] = {}
        """Records, by offset, whose outcome is on its way out."""
        self._emptied = asyncio.Event()
        self._judging: dict[int, asyncio.Task[None]] = {}
        self.skips: dict[int, str] = {}
        """Offset → why a person wants it among the dead letters."""
        self.committed = 0
        """Low offset that was committed last."""
        self.isolated = False
        """Whether records run one at a time, each noted as a suspect first."""
        self._suspects = 0
        """Records still to be taken, among which must be what ended an earlier owner, if a record did."""
        self._last_suspect: int | None = None
        self._proven = False
        self.paused = True
        """Whether the consumer has been told to fetch nothing of it."""

    def activate(self, coverage: Coverage, suspects: int) -> None:
        """What earlier owners finished is known: reading may begin.

        `suspects` is how many records an owner has in flight at most: if a record ended the last one, it is among
        the next so many. After several such ends they run one at a time.
        """
        self.ledger = PartitionLedger(coverage.low, coverage.finished)
        self.committed = coverage.low
        self._suspects = suspects
        self.isolated = coverage.starts >= ISOLATE_AT_STARTS
        self.state = State.ACTIVE

    def holding(self, pauses: Collection[str]) -> Holding:
        """The partition and why nothing is read of it; `pauses` are the reasons that hold for all partitions."""
        if self.state is not State.ACTIVE:
            return Holding(self.partition, (self.state.value,))
        if not self.paused:
            return Holding(self.partition, ())
        return Holding(self.partition, tuple(sorted(pauses)) or (ISOLATED if self.isolated else AHEAD,))

    def key_of(self, record: RawRecord) -> Hashable:
        """What keeps its order: the record's key, or everything while isolated."""
        return ISOLATED if self.isolated else record.key

    def has_room(self, offset: int) -> bool:
        """Whether the record at `offset`, the next one read, may be taken now.

        Not beyond the window of the completion map, and not past the end of an isolation that still runs.
        """
        if not self.ledger.in_flight:
            self.ledger.reach(offset)  # no record lies between
        within_window = offset - self.ledger.low < WINDOW_OFFSETS
        return within_window and not (self.isolated and self._suspects <= 0)

    def take(self, record: RawRecord) -> bool:
        """Notes a record that was read; False when an earlier owner has finished it."""
        taken = self.ledger.take(record.offset)
        if taken:
            self._suspects -= 1
            if self._suspects == 0:
                self._last_suspect = record.offset
        return taken

    def hand_over(self, offset: int, record: InFlight) -> None:
        """From now on this assignment tells `record` how its outcome ended."""
        self._handed_over[offset] = record

    def dismiss(self, record: InFlight) -> None:
        """It is not judged any more."""
        self.items.discard(record)
        self._tell_emptied()

    def finish(self, *offsets: int) -> None:
        """Their terminal records are durable; a no-op for an old epoch."""
        if self.state is State.ENDED:
            return
        self.ledger.finish(*offsets)
        if self.isolated and self._suspects <= 0 and not self.ledger.in_flight:
            self.prove()
        for offset in offsets:
            record = self._handed_over.pop(offset, None)
            if record is not None:
                record.durable()
        self._tell_emptied()

    async def quiet(self) -> None:
        """Returns once no record is judged and no outcome is on its way out."""
        while self.items or self._handed_over:
            self._emptied.clear()
            await self._emptied.wait()

    def _tell_emptied(self) -> None:
        if not self.items and not self._handed_over:
            self._emptied.set()

    def prove(self) -> None:
        """Everything that was in flight when earlier owners ended is finished: none of it ends processes."""
        self._proven = True
        self.isolated = False

    def proven(self, low: int) -> bool:
        """Whether that is so once everything below `low` is finished."""
        return self._proven or (self._last_suspect is not None and low > self._last_suspect)

    def skip(self, offset: int, reason: str) -> None:
        """Sends the record at `offset` to the dead letters: what judges it is cancelled, or will not start.

        Raises SkipRefused when it has its outcome. One that is being published right now keeps the outcome it has.
        """
        if self.ledger.is_finished(offset):
            raise SkipRefused(f"offset {offset} has its verdict or dead letter already")
        self.skips[offset] = reason
        if (item := self._judging.get(offset)) is not None:
            item.cancel()

    def begin_judging(self, offset: int, item: asyncio.Task[None]) -> None:
        """`item`, the current task, judges `offset`: until `end_judging` a skip cancels it."""
        self._judging[offset] = item

    def end_judging(self, offset: int) -> None:
        """It has judged it, or given up."""
        del self._judging[offset]

    def cancelled_by_skip(self, offset: int) -> bool:
        """Whether the cancellation of the current task was a skip; if so, it is taken back."""
        item = self._judging[offset]
        return offset in self.skips and self.state is not State.ENDED and item.uncancel() == 0

    def drain(self) -> None:
        """Takes nothing more; what runs may finish."""
        if self.state is not State.ENDED:
            self.state = State.DRAINING

    def end(self) -> None:
        """Leaves the epoch: cancels what still runs; what finishes late changes nothing."""
        self.state = State.ENDED
        for item in list(self.items):
            item.cancel()
        while self._handed_over:
            self._handed_over.popitem()[1].abandon()
        self._tell_emptied()
