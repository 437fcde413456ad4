"""A bounded thread pool for calls that block on a server, which must not hold up the end of the process.

The interpreter waits for the threads of `concurrent.futures` when it exits: one server that does not answer would
keep a stopped consumer alive for its whole timeout.
"""

import asyncio
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ThreadsClosed(RuntimeError):
    """The pool is closed, or was before the call had begun."""


class DaemonThreads:
    """`size` threads behind one queue, from the start until `close`."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._closed = False
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        for number in range(size):
            Thread(target=self._serve, name=f"{name}-{number}", daemon=True).start()

    async def run(self, call: Callable[[], T], abandoned: Callable[[T | None], None] | None = None) -> T:
        """What the call returns, on the next free thread. Raises what it raises, and ThreadsClosed.

        A caller that is cancelled does not wait for it: `abandoned` is then called with what it returns in the end, or
        with None when that is nothing.
        """
        if self._closed:
            raise ThreadsClosed
        begun = _Call(call, abandoned)
        self._calls.put(begun)
        return await begun.answer

    def close(self) -> None:
        """Gives up what has not begun and waits for nothing; idempotent."""
        self._closed = True
        while True:
            try:
                waiting = self._calls.get_nowait()  # a thread may take it first
            except Empty:
                break
            if waiting is not None:
                waiting.settle(None, ThreadsClosed())
        for _ in range(self._size):
            self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            del call  # an idle thread must not keep the last answer, and its connection, alive


class _Call(Generic[T]):
    """One call and who waits for it. The futures of `concurrent.futures` would cost more than what they add."""

    __slots__ = ("_abandoned", "_call", "_loop", "answer")

    def __init__(self, call: Callable[[], T], abandoned: Callable[[T | None], None] | None) -> None:
        self._call = call
        self._abandoned = abandoned
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self._loop.create_future()

    def run(self) -> None:
        """In a thread."""
        outcome: T | None = None
        raised: BaseException | None = None
        if not self.answer.cancelled():
            try:
                outcome = self._call()
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
                raised = error
        try:
            self._loop.call_soon_threadsafe(self.settle, outcome, raised)
        except RuntimeError:  # the event loop is closed, so nobody waits
            self._abandon(outcome)

    def settle(self, outcome: T | None, raised: BaseException | None) -> None:
        """In the event loop: tells the caller, or cleans up behind it."""
        if self.answer.done():
            self._abandon(outcome)
        elif raised is not None:
            self.answer.set_exception(raised)
        else:
            self.answer.set_result(outcome)  # type: ignore[arg-type]  # nothing was raised, so it is a T

    def _abandon(self, outcome: T | None) -> None:
        if self._abandoned is not None:
            self._abandoned(outcome)
