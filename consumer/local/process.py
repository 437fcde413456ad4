"""One child process under supervision: starts, is ready by a deadline, ends with its parent, leaves a log.

Everything in `local` that runs a program goes through `Child`. It belongs to no event loop, so it can be started
under one and stopped under another.
"""

import asyncio
import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from consumer.errors import AdvetError

LOOPBACK = "127.0.0.1"
LOG_TAIL_BYTES = 4096
POLL_SECONDS = 0.02
_PORTS = range(15_000, 32_000)
"""Below Linux's ephemeral range, so no outgoing connection takes a port between our look and the child's bind."""

_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, kept across exec
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class ChildFailed(AdvetError):
    """A child process did not get ready, or died. The message holds the end of its log."""


def free_ports(count: int, *, beside: int = 0) -> list[int]:
    """`count` different TCP ports of the loopback address that nobody listens on now.

    With `beside`, the port that many numbers above each is free as well.
    """
    ports: list[int] = []
    held: list[socket.socket] = []
    try:
        while len(ports) < count:
            port = secrets.choice(_PORTS)
            try:
                for wanted in {port, port + beside}:
                    probe = socket.socket()
                    held.append(probe)
                    probe.bind((LOOPBACK, wanted))
            except OSError:
                continue
            ports.append(port)
    finally:
        for probe in held:
            probe.close()
    return ports


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((LOOPBACK, port)) == 0


def kept_cluster_id(folder: Path) -> str:
    """The id of the Kafka cluster whose data lies in `folder`; a new one, kept there, when it is empty.

    A broker that answers with it is ours and not another program's on the same port.
    """
    kept = folder / "cluster-id"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        kept.write_text(text.replace("-", "_"), encoding="ascii")  # on a command line -x would be an option
    return kept.read_text(encoding="ascii")


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `argv[0]` is an absolute path; `environment` is added to a minimal one."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    """Working folder; the log `<name>.log` lies here too."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Both output streams, appended to over restarts."""
        return self.folder / f"{self.name}.log"


class Child:
    """A running program. It is killed when the *thread* that started it ends, hence with its process too."""

    def __init__(self, program: Program, process: subprocess.Popen[bytes]) -> None:
        self.program = program
        self._process = process

    @classmethod
    def spawn(cls, program: Program) -> Self:
        """Starts the program and returns at once. Call it from a thread that outlives the child."""
        program.folder.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
        wrapper = (sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()))
        with program.log.open("ab") as log:
            process = subprocess.Popen(
                [*wrapper, *program.argv], cwd=program.folder, env={**kept, **program.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C is the parent's to answer, in its own order
            )  # fmt: skip
        return cls(program, process)

    @property
    def pid(self) -> int:
        """Process id; stays readable after the end."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not exited yet."""
        return self._process.poll() is None

    def failure(self, what: str) -> ChildFailed:
        """An error that names the program, says `what` happened and shows the end of its log."""
        log = self.program.log
        tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip() if log.exists() else ""
        return ChildFailed(f"{self.program.name} {what}; the end of its log ({log}):\n{tail or '(empty)'}")

    async def wait_ready(self, ready: Callable[[], Awaitable[bool]], deadline_seconds: float) -> None:
        """Asks `ready` until it says yes; raises ChildFailed when the child dies or the deadline passes first."""
        try:
            async with asyncio.timeout(deadline_seconds):  # also over a `ready` that gets no answer
                while self.alive:
                    if await ready():
                        return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError as error:
            raise self.failure(f"was not ready after {deadline_seconds:g} s") from error
        raise self.failure(f"exited with status {self._process.returncode} while starting")

    async def wait(self) -> int:
        """Waits for the end; returns the exit status, negative for a signal."""
        if self.alive:
            loop = asyncio.get_running_loop()
            ended = asyncio.Event()
            pidfd = os.pidfd_open(self.pid)
            try:
                loop.add_reader(pidfd, ended.set)
                await ended.wait()
            finally:
                loop.remove_reader(pidfd)
                os.close(pidfd)
        return self._process.wait()

    async def stop(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL when it has not ended after `grace_seconds`. Idempotent."""
        if not self.alive:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), grace_seconds)
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and reaps it. Idempotent."""
        self._process.kill()
        self._process.wait()


async def stop_all(children: Iterable[Child], grace_seconds: float) -> None:
    """Stops children at the same time."""
    await asyncio.gather(*(child.stop(grace_seconds) for child in children))
