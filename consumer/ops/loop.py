"""How late the event loop is: what blocks it delays every heartbeat, probe and transaction.

A timer falls due a hundred times a second and notes how late it was called. A block of the loop shows as a timer that
is late by the rest of it, so the figure is at most `TICK_SECONDS` below the block.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumer.ops.metrics import Metrics

TICK_SECONDS = 0.01
WINDOW_SECONDS = 60.0


class LoopWatch:
    """Watches the loop that it is made on, inside of `watching`."""

    def __init__(self, metrics: Metrics) -> None:
        self._lag = metrics.loop_lag_seconds
        metrics.stall_seconds.set_function(self.longest_seconds)
        self._loop = asyncio.get_running_loop()
        self._late: deque[tuple[float, float]] = deque()
        """When, and by how many seconds; each is longer than all that follow, so the first is the longest."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Notes every block for as long as the `async with` runs."""
        self._schedule()
        try:
            yield
        finally:
            self._timer.cancel()

    def longest_seconds(self) -> float:
        """The longest block of the last minute; one that goes on is seen when it ends."""
        while self._late and self._late[0][0] < self._loop.time() - WINDOW_SECONDS:
            self._late.popleft()
        return self._late[0][1] if self._late else 0.0

    def _schedule(self) -> None:
        self._due = self._loop.time() + TICK_SECONDS
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        late = max(0.0, now - self._due)
        self._lag.observe(late)
        while self._late and self._late[-1][1] <= late:
            self._late.pop()
        self._late.append((now, late))
        if self._late[0][0] < now - WINDOW_SECONDS:
            self._late.popleft()
        self._schedule()
