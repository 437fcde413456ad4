"""Backpressure: what may be in flight, and why partitions are paused. No I/O here.

Bounds have hysteresis: a reason to pause that has set in stays until use has fallen below
`flow.resume_ratio` of its bound, since pausing throws away what Kafka had prefetched.
"""

import asyncio
from collections import OrderedDict

from consumer.settings import FlowSettings


class Hysteresis:
    """A bound that closes at `high` and opens again at `low` or below."""

    def __init__(self, high: float, low: float) -> None:
        self._high = high
        self._low = low
        self.closed = False

    def update(self, used: float) -> bool:
        """Notes the current use; returns whether the bound is closed."""
        if used >= self._high:
            self.closed = True
        elif used <= self._low:
            self.closed = False
        return self.closed


class ByteBudget:
    """Bytes that all items together hold in this process: records, downloads, pixels.

    An item reserves in steps while it moves along the pipeline, so items could wait for each other for ever;
    therefore the oldest one is never refused. The limit can be exceeded by what one ad needs, never by two.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[object, int] = OrderedDict()
        self._waiting: OrderedDict[asyncio.Future[None], tuple[object, int]] = OrderedDict()
        self.used_bytes = 0

    def open(self, owner: object, size_bytes: int) -> None:
        """Enters an item with what it holds already (its record); later items are younger."""
        self._held[owner] = size_bytes
        self.used_bytes += size_bytes

    def prefer(self, owner: object) -> None:
        """Treats an item as the oldest: the others wait for it."""
        self._held.move_to_end(owner, last=False)
        self._wake()

    async def reserve(self, owner: object, size_bytes: int) -> None:
        """Waits until `size_bytes` more fit, or `owner` is the oldest item."""
        if not self._waiting and self._fits(owner, size_bytes):
            self._grant(owner, size_bytes)
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[granted] = (owner, size_bytes)
        self._wake()
        try:
            await granted
        finally:
            self._waiting.pop(granted, None)

    def give_back(self, owner: object, size_bytes: int) -> None:
        """The item has reserved so many bytes too many."""
        self._held[owner] -= size_bytes
        self.used_bytes -= size_bytes
        self._wake()

    def restart(self, owner: object, size_bytes: int) -> None:
        """Gives back what an attempt has reserved: the item holds `size_bytes` again."""
        self.used_bytes += size_bytes - self._held[owner]
        self._held[owner] = size_bytes
        self._wake()

    def close(self, owner: object) -> None:
        """Gives back all that the item held."""
        self.used_bytes -= self._held.pop(owner)
        self._wake()

    def _fits(self, owner: object, size_bytes: int) -> bool:
        return self.used_bytes + size_bytes <= self._limit_bytes or next(iter(self._held)) is owner

    def _grant(self, owner: object, size_bytes: int) -> None:
        self._held[owner] += size_bytes
        self.used_bytes += size_bytes

    def _wake(self) -> None:
        if not self._waiting:  # nearly always
            return
        for granted, (owner, size_bytes) in list(self._waiting.items()):
            if not granted.done() and self._fits(owner, size_bytes):
                del self._waiting[granted]
                self._grant(owner, size_bytes)
                granted.set_result(None)


class Backpressure:
    """The bounds of `FlowSettings` over what is in flight, as reasons to pause every partition."""

    def __init__(self, settings: FlowSettings, budget: ByteBudget, largest_record_bytes: int) -> None:
        self._settings = settings
        self._budget = budget
        self._largest_record_bytes = largest_record_bytes
        # one more record must always fit below the bound
        byte_bound = max(1, settings.max_bytes - largest_record_bytes)
        self._records = Hysteresis(settings.max_records, settings.max_records * settings.resume_ratio)
        self._bytes = Hysteresis(byte_bound, byte_bound * settings.resume_ratio)
        self._engine = Hysteresis(1, 0)

    def reasons(self, records_in_flight: int, engine_room: int, engine_reason: str) -> frozenset[str]:
        """Why nothing more may be read now; empty when something may."""
        paused = set()
        if self._records.update(records_in_flight):
            paused.add("records")
        if self._bytes.update(self._budget.used_bytes):
            paused.add("bytes")
        if self._engine.update(0 if engine_room > 0 else 1):
            paused.add(engine_reason)
        return frozenset(paused)

    def room(self, records_in_flight: int) -> int:
        """Records that may be read at once without passing a bound; at least 1."""
        free_bytes = self._settings.max_bytes - self._budget.used_bytes
        return max(1, min(self._settings.max_records - records_in_flight, free_bytes // self._largest_record_bytes))
