"""One partition while this member owns it: epoch, ledger, order per key, running items."""

import asyncio
import itertools
from enum import Enum

from consumer.kafka.ledger import KeyOrder, PartitionLedger
from consumer.messages import Partition, RawRecord


class State(Enum):
    """Where an assignment stands."""

    ACTIVATING = "activating"
    """Assigned by the group; the position is not known yet, so nothing may be read."""
    ACTIVE = "active"
    DRAINING = "draining"
    """Nothing more is taken; what runs may still finish."""
    ENDED = "ended"
    """Of an old epoch: whatever finishes now changes nothing."""


class Assignment:
    """Created at every assignment, also of a partition that was owned before."""

    _epochs = itertools.count(1)

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.epoch = next(self._epochs)
        self.state = State.ACTIVATING
        self.ledger = PartitionLedger(0)
        self.keys: KeyOrder[RawRecord] = KeyOrder()
        self.items: set[asyncio.Task[None]] = set()
        self.committed = 0
        """Low offset that was committed last."""
        self.paused = True
        """Whether the consumer has been told to fetch nothing of it."""

    def activate(self, position: int) -> None:
        """The position is known: reading may begin."""
        self.ledger = PartitionLedger(position)
        self.committed = position
        self.state = State.ACTIVE

    def finish(self, offset: int) -> None:
        """The terminal record of `offset` is durable; a no-op for an old epoch."""
        if self.state is not State.ENDED:
            self.ledger.finish(offset)

    def drain(self) -> None:
        """Takes nothing more; what runs may finish."""
        if self.state is not State.ENDED:
            self.state = State.DRAINING

    def end(self) -> None:
        """Leaves the epoch: cancels what still runs; what finishes late changes nothing."""
        self.state = State.ENDED
        for item in self.items:
            item.cancel()
