"""Supervised worker processes: a hostile input costs one of them, never the consumer.

Each worker is a fresh interpreter (`python -m module <fd> <args>`) holding one end of a socket pair. It gets
one request at a time with a deadline; a worker that dies, overruns, writes nonsense or whose caller gave up
is killed and replaced. Workers are replaced after `requests_per_worker` as well, so that slow leaks of native
libraries stay small.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from consumer.errors import WorkerCrashed
from consumer.workers.channel import MESSAGE_BYTES, NUMBER, Answer, Request

log = structlog.get_logger(__name__)

_STDERR_FD = 2
_SECRETS = ("ADVET_", "AWS_")


class WorkerTimeout(WorkerCrashed):
    """The worker overran its deadline and was killed."""


class WorkersUnavailable(WorkerCrashed):
    """No worker can be had: the pool is closed or cannot start one. Says nothing about the item."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How to start a worker. `module` is run with `-m`; it must call `channel.serve`."""

    name: str
    module: str
    args: tuple[str, ...]
    start_seconds: float
    requests_per_worker: int = 1000


class Worker:
    """One live process and its socket. `spawn`, `ready`, any number of `call`, `reap`."""

    def __init__(self, process: asyncio.subprocess.Process, pidfd: int, channel: socket.socket) -> None:
        self._process = process
        self._pidfd = pidfd
        self._channel = channel
        self.served = 0

    @property
    def pid(self) -> int:
        """Process id, for logs and tests."""
        return self._process.pid

    @classmethod
    async def spawn(cls, spec: WorkerSpec) -> Self:
        """Starts the process; it can be called once `ready` has returned."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", spec.module, str(theirs.fileno()), *spec.args,
                    pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
                    stdout=_STDERR_FD,  # our stdout carries verdicts; a chatty library must not reach it
                    env={name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)},
                )  # fmt: skip
            pidfd = os.pidfd_open(process.pid)
        except BaseException:
            ours.close()
            raise
        return cls(process, pidfd, ours)

    async def ready(self, timeout_seconds: float) -> None:
        """Waits for the worker's first message; raises WorkersUnavailable."""
        try:
            await self._receive(timeout_seconds)
        except WorkerCrashed as error:
            raise WorkersUnavailable(f"the worker did not start: {error}") from error

    @property
    def usable(self) -> bool:
        """Alive and silent. A worker that speaks without being asked would answer the wrong caller."""
        try:
            self._channel.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def call(self, request: Request, fds: Sequence[int], timeout_seconds: float) -> Answer:
        """One request, one answer; raises WorkerCrashed or WorkerTimeout. After either, and after a
        cancellation, the worker must be reaped: its late answer would go to the next caller.
        """
        self.served += 1
        try:
            socket.send_fds(
                self._channel, [json.dumps({**request, NUMBER: self.served}, ensure_ascii=False).encode()], fds
            )
        except OSError as error:
            raise WorkerCrashed(f"worker {self.pid} took no request: {error.strerror}") from error
        message = await self._receive(timeout_seconds)
        try:
            answer = json.loads(message)
        except (ValueError, RecursionError) as error:
            raise WorkerCrashed(f"worker {self.pid} answered nonsense") from error
        if not isinstance(answer, dict) or answer.pop(NUMBER, None) != self.served:
            raise WorkerCrashed(f"worker {self.pid} answered nonsense")
        return answer

    async def _receive(self, timeout_seconds: float) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_seconds):
                message = await loop.sock_recv(self._channel, MESSAGE_BYTES)
        except TimeoutError as error:
            raise WorkerTimeout(f"worker {self.pid} took longer than {timeout_seconds:g} s") from error
        except OSError as error:
            raise WorkerCrashed(f"worker {self.pid} is gone: {error.strerror}") from error
        if not message:
            raise WorkerCrashed(f"worker {self.pid} died")
        return message

    def kill(self) -> None:
        """Ends the process; a `call` under way raises WorkerCrashed. Idempotent."""
        if self._pidfd >= 0:
            # not Process.kill: that may reap the child before asyncio's watcher, which then reports a wrong end
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def reap(self) -> None:
        """Kills, frees the socket and waits for the end of the process. Only for who holds the worker:
        closing the socket under a `call` of another task would leave that task waiting.
        """
        self.kill()
        self._channel.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        await self._process.wait()


class WorkerPool:
    """`size` places behind one queue, each with a worker or None; callers wait for a free one."""

    def __init__(self, spec: WorkerSpec, size: int) -> None:
        self._spec = spec
        self._size = size
        self._places: asyncio.LifoQueue[Worker | None] = asyncio.LifoQueue()
        self._workers: set[Worker] = set()
        self._started = False
        self._closed = False
        self.crashes = 0
        """Workers lost to a crash or an overrun since the start."""
        self.waiting = 0
        """Calls that wait for a free worker."""

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of the live workers."""
        return frozenset(worker.pid for worker in self._workers)

    async def start(self) -> None:
        """Starts every worker at once; raises WorkersUnavailable, with none left, if one cannot start."""
        self._started = True
        try:
            outcomes = await asyncio.gather(*(self._fill() for _ in range(self._size)), return_exceptions=True)
        except asyncio.CancelledError:
            await self.close()
            raise
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            await self.close()
            raise failures[0]

    async def _fill(self) -> None:
        place = None
        try:
            place = await self._staffed(None)
        finally:
            self._places.put_nowait(place)

    async def call(self, request: Request, fds: Sequence[int], timeout_seconds: float) -> Answer:
        """Runs one request on the next free worker. The deadline starts when a worker is free.

        Raises WorkerCrashed, its kind WorkerTimeout after the worker was killed, or its kind
        WorkersUnavailable when the request reached no worker.
        """
        if self._closed or not self._started:
            raise WorkersUnavailable(f"the {self._spec.name} workers are not running")
        self.waiting += 1
        try:
            place = await self._places.get()
        finally:
            self.waiting -= 1
        keep = False
        try:
            place = worker = await self._staffed(place)
            answer = await worker.call(request, fds, timeout_seconds)
        except WorkerCrashed as error:
            if self._closed:
                raise WorkersUnavailable(f"the {self._spec.name} workers were closed") from error
            self.crashes += 1
            log.warning("worker_lost", worker=self._spec.name, error=str(error))
            raise
        else:
            keep = worker.served < self._spec.requests_per_worker
            return answer
        finally:
            await self._give_back(place, keep=keep)

    async def _staffed(self, place: Worker | None) -> Worker:
        """The worker of a place, started anew if there is none or it is not fit for use."""
        if self._closed:
            raise WorkersUnavailable(f"the {self._spec.name} workers are closed")
        if place is not None and place.usable:
            return place
        if place is not None:
            self.crashes += 1
            log.warning("worker_lost", worker=self._spec.name, error=f"worker {place.pid} died while idle")
            await self._discard(place)
        try:
            worker = await Worker.spawn(self._spec)
        except OSError as error:
            raise WorkersUnavailable(f"cannot start a {self._spec.name} worker: {error.strerror}") from error
        self._workers.add(worker)
        if self._closed:
            worker.kill()
        try:
            await worker.ready(self._spec.start_seconds)
        except BaseException:
            await self._discard(worker)
            raise
        return worker

    async def _give_back(self, place: Worker | None, *, keep: bool) -> None:
        """Frees the place. An empty one is staffed when needed, so a crash loop costs only its callers."""
        if place is None or (keep and not self._closed):
            self._places.put_nowait(place)
            return
        try:
            await self._discard(place)
        finally:
            self._places.put_nowait(None)

    async def _discard(self, worker: Worker) -> None:
        self._workers.discard(worker)
        await worker.reap()

    async def close(self) -> None:
        """Ends every worker; idempotent. Calls under way and waiting fail with WorkersUnavailable."""
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:
            worker.kill()
        if not self._started:
            return
        for _ in range(self._size):  # callers hand their places back as their calls fail
            place = await self._places.get()
            if place is not None:
                await self._discard(place)


class Pooled:
    """What stands on a pool of its own shows of it."""

    def __init__(self, spec: WorkerSpec, size: int) -> None:
        self._pool = WorkerPool(spec, size)

    @property
    def crashes(self) -> int:
        """Processes lost to a crash or to the time limit."""
        return self._pool.crashes

    @property
    def waiting(self) -> int:
        """Calls that wait for a free process."""
        return self._pool.waiting

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of the live processes."""
        return self._pool.pids

    async def start(self) -> None:
        """Starts the processes; raises WorkerCrashed if one cannot start."""
        await self._pool.start()

    async def close(self) -> None:
        """Ends the processes; idempotent. Calls under way raise WorkerCrashed."""
        await self._pool.close()
