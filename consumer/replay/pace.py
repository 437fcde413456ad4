"""How fast a replay may go: letters a second, and not while the live stream is behind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

CHECK_SECONDS = 1.0

Age = Callable[[], Awaitable[float]]
"""Seconds that the oldest unfinished record of the live stream has waited."""


class Pace:
    """Asked before and after each batch; `stop` ends every wait."""

    def __init__(
        self,
        rate: float | None = None,
        yield_above_seconds: float | None = None,
        age: Age | None = None,
        yielding: Callable[[float], None] = lambda age_seconds: None,
    ) -> None:
        """`rate` is in letters a second; `yielding` is told the age of the live stream while it is waited for."""
        self._rate = rate
        self._yield_above_seconds = yield_above_seconds
        self._age = age
        self._yielding = yielding
        self._stopping = asyncio.Event()
        self._free_at = 0.0

    @property
    def stopping(self) -> bool:
        """Whether the run should end after its batch."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """For signal handlers."""
        self._stopping.set()

    def batch(self, most: int) -> int:
        """Letters of one batch, so that a slow rate is not a batch a minute."""
        return most if self._rate is None else max(1, min(most, int(self._rate)))

    async def before(self) -> None:
        """Returns when a batch may be sent, or on `stop`."""
        loop = asyncio.get_running_loop()
        await self._wait(self._free_at - loop.time())
        if self._yield_above_seconds is None or self._age is None:
            return
        while not self.stopping and (age_seconds := await self._age()) > self._yield_above_seconds:
            self._yielding(age_seconds)
            await self._wait(CHECK_SECONDS)

    def after(self, letters: int) -> None:
        """Counts what was sent."""
        if self._rate is not None:
            self._free_at = max(self._free_at, asyncio.get_running_loop().time()) + letters / self._rate

    async def _wait(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
