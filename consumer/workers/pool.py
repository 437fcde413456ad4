"""Supervised worker processes: a hostile input costs one of them, never the consumer.

Each worker is a fresh interpreter (`python -m module <fd> <args>`) holding one end of a socket pair. It gets
one request at a time with a deadline; a worker that dies or overruns is killed and replaced. Workers are
replaced after `requests_per_worker` as well, so that slow leaks of native libraries stay small.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import structlog

from consumer.errors import WorkerCrashed
from consumer.workers.channel import MESSAGE_BYTES, Answer, Request

log = structlog.get_logger(__name__)


class WorkerTimeout(WorkerCrashed):
    """The worker overran its deadline and was killed."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How to start a worker. `module` is run with `-m`; it must call `channel.serve`."""

    name: str
    module: str
    args: tuple[str, ...]
    start_seconds: float
    requests_per_worker: int = 1000


class Worker:
    """One live process and its socket."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self.served = 0

    @property
    def pid(self) -> int:
        """Process id, for logs and tests."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not exited as far as the loop knows."""
        return self._process.returncode is None

    @classmethod
    async def start(cls, spec: WorkerSpec) -> Self:
        """Starts the process and waits for its first message; raises WorkerCrashed."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", spec.module, str(theirs.fileno()), *spec.args,
                    pass_fds=(theirs.fileno(),), stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        worker = cls(process, ours)
        try:
            await worker._receive(spec.start_seconds)
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def call(self, request: Request, fds: Sequence[int], timeout_seconds: float) -> Answer:
        """One request, one answer; raises WorkerCrashed or WorkerTimeout."""
        self.served += 1
        try:
            socket.send_fds(self._channel, [json.dumps(request, ensure_ascii=False).encode()], fds)
        except OSError as error:
            raise WorkerCrashed(f"worker {self.pid} is gone: {error.strerror}") from error
        message = await self._receive(timeout_seconds)
        answer: Answer = json.loads(message)
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

    async def kill(self) -> None:
        """Ends the process and reaps it; idempotent."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class WorkerPool:
    """`size` workers behind one queue; callers wait for a free one."""

    def __init__(self, spec: WorkerSpec, size: int) -> None:
        self._spec = spec
        self._size = size
        self._idle: asyncio.LifoQueue[Worker | None] = asyncio.LifoQueue()
        self._workers: set[Worker] = set()
        self._closed = False
        self.crashes = 0
        """Workers lost to a crash or an overrun since the start."""

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of the live workers."""
        return frozenset(worker.pid for worker in self._workers)

    async def start(self) -> None:
        """Starts every worker at once; raises WorkerCrashed if one cannot start."""
        started = await asyncio.gather(*(Worker.start(self._spec) for _ in range(self._size)), return_exceptions=True)
        self._workers = {worker for worker in started if isinstance(worker, Worker)}
        for outcome in started:
            if isinstance(outcome, BaseException):
                await self.close()
                raise outcome
        for worker in self._workers:
            self._idle.put_nowait(worker)

    async def call(self, request: Request, fds: Sequence[int], timeout_seconds: float) -> Answer:
        """Runs one request on the next free worker. The deadline starts when a worker is free.

        Raises WorkerCrashed, or WorkerTimeout (a WorkerCrashed) after the worker was killed.
        """
        worker = await self._idle.get()
        keep = False
        try:
            if worker is None or not worker.alive:
                worker = await self._replace(worker)
            answer = await worker.call(request, fds, timeout_seconds)
            keep = worker.served < self._spec.requests_per_worker
            return answer
        except WorkerCrashed as error:
            self.crashes += 1
            log.warning("worker_lost", worker=self._spec.name, error=str(error))
            raise
        finally:
            if not keep:
                await self._discard(worker)
                worker = None
            # a place without a worker starts one when it is needed: a crash loop costs no more than its callers
            self._idle.put_nowait(worker)

    async def _replace(self, dead: Worker | None) -> Worker:
        await self._discard(dead)
        worker = await Worker.start(self._spec)
        if self._closed:
            await worker.kill()
            raise WorkerCrashed(f"{self._spec.name} workers are closed")
        self._workers.add(worker)
        return worker

    async def _discard(self, worker: Worker | None) -> None:
        if worker is not None:
            self._workers.discard(worker)
            await worker.kill()

    async def close(self) -> None:
        """Ends every worker; idempotent. Calls under way fail with WorkerCrashed."""
        self._closed = True
        workers, self._workers = self._workers, set()
        await asyncio.gather(*(worker.kill() for worker in workers))
