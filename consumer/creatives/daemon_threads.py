"""A bounded thread pool for calls that block on a server, which must not hold up the end of the process.

The interpreter waits for the threads of `concurrent.futures` when it exits: one server that does not answer would
keep a stopped consumer alive for its whole timeout. Only the event loop's thread may use the pool.
"""

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads:
    """`size` threads behind one queue, from the start until `close`."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._closed = False
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        for number in range(size):
            Thread(target=self._serve, name=f"{name}-{number}", daemon=True).start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Runs the call on the next free thread; raises RuntimeError once closed."""
        if self._closed:
            raise RuntimeError("the threads are closed")
        future: Future[T] = Future()
        self._calls.put((future, call))
        return future

    def close(self) -> None:
        """Cancels what has not begun and waits for nothing; idempotent."""
        self._closed = True
        while True:
            try:
                waiting = self._calls.get_nowait()  # a thread may take it first
            except Empty:
                break
            if waiting is not None:
                waiting[0].cancel()
        for _ in range(self._size):
            self._calls.put(None)

    def _serve(self) -> None:
        while (work := self._calls.get()) is not None:
            _run(*work)
            del work  # an idle thread must not keep the last answer, and its connection, alive


def _run(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        outcome = call()
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the caller
        future.set_exception(error)
    else:
        future.set_result(outcome)
