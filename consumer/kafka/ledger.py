"""What is known of one assigned partition: offsets in flight, and the lowest that is not finished. Pure.

Records finish out of order; only the lowest unfinished offset may be committed. The ledger is built from
records that were seen, never from offset + 1: transaction markers and compaction leave gaps.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class LedgerBroken(AssertionError):
    """A record was taken twice, or finished without being taken: committing anything now could lose records."""


class PartitionLedger:
    """Offsets of one assignment of one partition."""

    def __init__(self, position: int) -> None:
        self._position = position
        self._unfinished: OrderedDict[int, None] = OrderedDict()

    @property
    def position(self) -> int:
        """The offset after the last one seen."""
        return self._position

    @property
    def low(self) -> int:
        """The lowest unfinished offset: everything below it has its terminal record, so it may be committed."""
        return next(iter(self._unfinished), self._position)

    @property
    def in_flight(self) -> int:
        """Records taken and not finished."""
        return len(self._unfinished)

    @property
    def window(self) -> int:
        """Offsets from the lowest unfinished one up to the position."""
        return self._position - self.low

    def take(self, offset: int) -> None:
        """Notes a record that was read; offsets come in ascending order."""
        if offset < self._position:
            raise LedgerBroken(f"offset {offset} was taken already: the position is {self._position}")
        self._unfinished[offset] = None
        self._position = offset + 1

    def finish(self, offset: int) -> None:
        """Notes that the terminal record of `offset` is durable."""
        if offset not in self._unfinished:
            raise LedgerBroken(f"offset {offset} is not in flight")
        del self._unfinished[offset]

    def reach(self, position: int) -> None:
        """Moves past offsets that hold no record (markers), once the consumer's position has."""
        self._position = max(self._position, position)


class KeyOrder(Generic[T]):
    """At most one record of a key in flight; later ones wait in the order of the input."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T]] = {}

    def admit(self, key: Hashable, item: T) -> bool:
        """True when `item` may start now; False when it was parked behind another of its key."""
        if key is None:
            return True
        if key in self._waiting:
            self._waiting[key].append(item)
            return False
        self._waiting[key] = deque()
        return True

    def release(self, key: Hashable) -> T | None:
        """The running record of `key` is finished: returns the next one, which is running from now on."""
        if key is None:
            return None
        queue = self._waiting[key]
        if queue:
            return queue.popleft()
        del self._waiting[key]
        return None

    def abandon(self, key: Hashable) -> list[T]:
        """The running record of `key` was given up: returns those that waited for it, now forgotten."""
        return list(self._waiting.pop(key, ()))
