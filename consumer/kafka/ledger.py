"""What is known of one assigned partition: offsets in flight, and the lowest that is not finished. Pure.

Records finish out of order; only the lowest unfinished offset may be committed, with the finished ones above
it. The ledger is built from records that were seen, never from offset + 1: transaction markers and
compaction leave gaps.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class LedgerBroken(AssertionError):
    """A record was taken twice, or finished without being taken: committing anything now could lose records."""


class PartitionLedger:
    """Offsets of one assignment of one partition.

    `finished` are offsets at or above `position` that an earlier owner has finished: they are not taken again.
    """

    def __init__(self, position: int, finished: Collection[int] = ()) -> None:
        self._position = position
        self._unfinished: OrderedDict[int, None] = OrderedDict()
        self._finished = set(finished)

    @property
    def position(self) -> int:
        """The offset after the last one seen."""
        return self._position

    @property
    def low(self) -> int:
        """The lowest unfinished offset: everything below it has its terminal record, so it may be committed."""
        return self._low_without(())

    @property
    def in_flight(self) -> int:
        """Records taken and not finished."""
        return len(self._unfinished)

    @property
    def window(self) -> int:
        """Offsets from the lowest unfinished one up to the position."""
        return self._position - self.low

    def take(self, offset: int) -> bool:
        """Notes a record that was read; offsets come in ascending order. False: it is finished already."""
        if offset < self._position:
            raise LedgerBroken(f"offset {offset} was taken already: the position is {self._position}")
        self._position = offset + 1
        if offset in self._finished:
            return False
        self._unfinished[offset] = None
        return True

    def finish(self, *offsets: int) -> None:
        """Notes that their terminal records are durable."""
        before = self.low
        for offset in offsets:
            if offset not in self._unfinished:
                raise LedgerBroken(f"offset {offset} is not in flight")
            del self._unfinished[offset]
        self._finished.update(offsets)
        low = self.low
        if low != before:
            self._finished = {other for other in self._finished if other > low or other >= self._position}

    def is_finished(self, offset: int) -> bool:
        """Whether the terminal record of `offset` is durable."""
        return offset < self.low or offset in self._finished

    def after(self, finishing: Collection[int]) -> tuple[int, frozenset[int]]:
        """`low`, and the finished offsets above it, once `finishing` are durable as well; changes nothing."""
        leaving = frozenset(finishing)
        if not leaving <= self._unfinished.keys():
            raise LedgerBroken(f"offsets {sorted(leaving - self._unfinished.keys())} are not in flight")
        low = self._low_without(leaving)
        return low, frozenset(offset for offset in self._finished | leaving if offset > low)

    def reach(self, position: int) -> None:
        """Moves past offsets that hold no record (markers), once the consumer's position has."""
        self._position = max(self._position, position)

    def _low_without(self, leaving: Collection[int]) -> int:
        low = next(iter(self._unfinished) if not leaving else (o for o in self._unfinished if o not in leaving), None)
        if low is None:
            low = self._position
            while low in self._finished:  # finished by an earlier owner, and not read again yet
                low += 1
        return low


class KeyOrder(Generic[T]):
    """At most one record of a key in flight; later ones wait in the order of the input."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, deque[T] | None] = {}
        """Of every key that runs; None where nothing waits, as nearly always."""

    def admit(self, key: Hashable, item: T) -> bool:
        """True when `item` may start now; False when it was parked behind another of its key."""
        if key is None:
            return True
        if key not in self._waiting:
            self._waiting[key] = None
            return True
        queue = self._waiting[key]
        if queue is None:
            queue = self._waiting[key] = deque()
        queue.append(item)
        return False

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
        return list(self._waiting.pop(key, None) or ())
