"""Consumer processes under a small supervisor: one that ends is started again, as a platform would."""

import contextlib
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.faults.reader import Reader
from tests.rig import Member, Rig

WAIT_SECONDS = 90.0
POLL_SECONDS = 0.02


class Fleet:
    """`with Fleet(rig, reader, engine, argument) as fleet`; every process is killed at the end."""

    def __init__(self, rig: Rig, reader: Reader, *engine: str) -> None:
        self._rig = rig
        self._reader = reader
        self._engine = engine
        self.members: list[Member] = []
        self.exits: list[int] = []
        """Statuses of those that have ended, in their order."""

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for member in self.members:
            member.process.kill()
            member.process.wait()

    def start(self, *more: str, wait: bool = True) -> Member:
        """One more member; `more` are further arguments of its engine."""
        member = self._rig.spawn(*self._engine, *more)
        self.members.append(member)
        if wait:
            self.wait(lambda: is_ready(member))
        return member

    def leave(self, number: int) -> None:
        """SIGTERM to one member, which is not replaced; returns once it has ended in good order."""
        member = self.members.pop(number)
        member.process.send_signal(signal.SIGTERM)
        self.wait(lambda: member.process.poll() is not None)
        assert member.process.returncode in (0, -signal.SIGTERM), member.log.read_text()[-3000:]

    def tend(self) -> None:
        """Starts those anew that have ended, without the faults of their predecessors."""
        for number, member in enumerate(self.members):
            status = member.process.poll()
            if status is not None:
                self.exits.append(status)
                self.members[number] = self._rig.spawn(*self._engine)

    def wait(self, condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        """Tends until the condition holds; fails at the first violation that the reader sees."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.tend()
            self._reader.assert_sound()
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not within {seconds} s; {self._reader.unfinished} unfinished, exits {self.exits}\n{self.tail()}"
                )
            time.sleep(POLL_SECONDS)

    def finish(self, inputs: int) -> None:
        """Waits until everything has its outcome, ends all members in good order, and checks."""
        self.wait(lambda: self._reader.complete(inputs))
        for member in self.members:
            member.process.send_signal(signal.SIGTERM)
        for member in self.members:
            member.process.wait(60)
        self._reader.check()
        assert "LedgerBroken" not in self.tail(10**9)

    def tail(self, characters: int = 2500) -> str:
        """The ends of all logs, also of members that are gone."""
        return "\n".join(f"--- {m.log.name}\n{m.log.read_text()[-characters:]}" for m in self._rig.members)


def is_ready(member: Member) -> bool:
    """Whether it runs and `/readyz` answers 200; one that is stopped answers nothing."""
    chosen = re.search(r'"name": "http".* "port": (\d+)', member.log.read_text())
    if chosen is None or member.process.poll() is not None:
        return False
    member.port = int(chosen[1])
    with contextlib.suppress(OSError):
        return member.get("/readyz")[0] == 200
    return False


def is_stopped(member: Member) -> bool:
    """Whether SIGSTOP has taken effect."""
    return Path(f"/proc/{member.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
