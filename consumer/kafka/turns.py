"""Who may run in this process: many records together, or one that is suspected of ending processes, alone.

If a suspect ran beside others, a death that one of them caused would be counted against it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """`together` and `alone` exclude each other; whoever waited while one ran alone comes before the next one."""

    def __init__(self) -> None:
        self._running = 0
        self._idle = asyncio.Event()
        self._one = asyncio.Lock()
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Runs beside others, once nobody runs alone or waits for it."""
        if self._closed:
            admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(admitted)
            try:
                await admitted
            except asyncio.CancelledError:
                if admitted.done() and not admitted.cancelled():
                    self._leave()
                raise
        else:
            self._running += 1
        try:
            yield
        finally:
            self._leave()

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

    def _leave(self) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()
