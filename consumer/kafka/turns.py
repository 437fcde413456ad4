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

    def together(self) -> "Together":
        """Runs beside others, once nobody runs alone or waits for it."""
        return Together(self)

    async def enter(self) -> None:
        """The beginning of `together`."""
        if not self._closed:
            self._running += 1
            return
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
        """The end of `together`."""
        self._running -= 1
        if not self._running:
            self._idle.set()


class Together:
    """The block of one that runs beside others. A class: every record passes here, and a generator costs more."""

    __slots__ = ("_turns",)

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def __aenter__(self) -> None:
        await self._turns.enter()

    async def __aexit__(self, *_raised: object) -> None:
        self._turns.leave()
