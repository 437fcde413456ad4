"""The breaker: when the machinery fails item after item, the stream stops instead of emptying the topic into the
dead letters. No I/O here.

Only failures of ours count (`MACHINERY`); faults of a submission or a creative are its own, however many there are.
Open, the process stays live, is unready and takes nothing; items that failed are held with their offsets uncommitted.
"""

import asyncio
from collections import deque

from consumer.settings import BreakerSettings
from schemas import Reason

MACHINERY = frozenset(
    {Reason.INTERNAL_ERROR, Reason.WORKER_CRASH, Reason.MODEL_OUTPUT_INVALID, Reason.INFERENCE_TIMEOUT}
)


class Breaker:
    """Opens at `breaker.failures` among the last `breaker.window` items; a person closes it."""

    def __init__(self, settings: BreakerSettings) -> None:
        self._failures = settings.failures
        self._recent: deque[bool] = deque(maxlen=settings.window)
        self._closed = asyncio.Event()
        self._closed.set()

    @property
    def open(self) -> bool:
        """Whether nothing is taken."""
        return not self._closed.is_set()

    def succeeded(self) -> None:
        """An item ended without a failure of the machinery."""
        self._recent.append(False)

    def failed(self) -> bool:
        """An item is about to become a dead letter for a reason of the machinery. Returns whether it must be held."""
        self._recent.append(True)
        if sum(self._recent) >= self._failures:
            self._closed.clear()
        return self.open

    async def wait_closed(self) -> None:
        """Returns when a person has reset the breaker."""
        await self._closed.wait()

    def reset(self) -> None:
        """Forgets what happened; held items are tried again from the start."""
        self._recent.clear()
        self._closed.set()
