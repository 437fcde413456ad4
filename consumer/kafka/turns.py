"""Who may run in this process: many records together, or one that is suspected of ending processes, alone.

If a suspect ran beside others, a death that one of them caused would be counted against it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Who has entered and who is `alone` exclude each other; who waited meanwhile comes before the next one alone."""

    def __init__(self) -> None:
        self._running = 0
        self._idle = asyncio.Event()
        self._one = asyncio.Lock()
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []

    def enter(self) -> bool:
        """Begins to run beside others, until `leave`; False while one runs alone, or waits to: await `admission`."""
        if not self._closed:
            self._running += 1
        return not self._closed

    async def admission(self) -> None:
        """Returns when others may run again, which counts as having entered."""
        admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(admitted)
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self.leave()
            raise

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until everything that runs has finished; nothing starts before this ends."""
        async with self._one:
            self._closed = True
            try:
                while self._running:
                    self._idle.clear()
                    await self._idle.wait()
                yield
            finally:
                self._closed = False
                self._admit()

    def _admit(self) -> None:
        for admitted in self._waiting:
            if not admitted.done():
                self._running += 1  # on its behalf: the next one alone must not slip in before it runs
                admitted.set_result(None)
        self._waiting.clear()

    def leave(self) -> None:
        """No longer runs beside others."""
        self._running -= 1
        if not self._running:
            self._idle.set()
