"""Named points of the protocol at which a consumer process hurts itself, as the test that started it has asked.

The process calls `Failpoints.reached`; the test sees what happened in the files of a folder they share. The fault
comes at the `nth` hit after the test has armed it, so that it falls into the work that the test means.
"""

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

POINTS = (
    "activating", "activated", "begun", "sent", "offsets_sent", "ending", "end_sent", "committed", "draining",
)  # fmt: skip
_TURNS = 20
"""Turns of the event loop after which EndTxn lies in the socket, and its answer has not been looked at."""
_POLL_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """`action` at the `nth` hit of `point`: kill (SIGKILL itself), stop (SIGSTOP itself), tell (wait for the test)."""

    point: str
    nth: int
    action: str

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """From `point:nth:action`."""
        point, nth, action = text.split(":")
        assert point in POINTS
        assert action in {"kill", "stop", "tell"}
        return cls(point, int(nth), action)

    def __str__(self) -> str:
        return f"{self.point}:{self.nth}:{self.action}"


class Folder:
    """What the test and the process tell each other."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._armed = path / "armed"
        self._hits = path / "hits"
        self._fault = path / "fault"
        self._go = path / "go"

    def arm(self) -> None:
        """From now on hits count."""
        self._armed.touch()

    @property
    def armed(self) -> bool:
        """Whether hits count."""
        return self._armed.exists()

    def note_hit(self, point: str) -> None:
        """One line a hit; what is written stays, whatever becomes of the process."""
        with self._hits.open("a") as file:
            file.write(f"{point}\n")

    def hits(self) -> Counter[str]:
        """Hits of every point, armed or not."""
        return Counter(self._hits.read_text().split()) if self._hits.exists() else Counter()

    def note_fault(self, plan: Plan) -> None:
        """Written right before the fault is done."""
        self._fault.write_text(str(plan))

    @property
    def fault(self) -> Plan | None:
        """The fault that was done, if any."""
        text = self._fault.read_text() if self._fault.exists() else ""
        return Plan.parse(text) if text else None

    def go(self) -> None:
        """Lets a process go on that waits at `tell`."""
        self._go.touch()

    async def wait_go(self) -> None:
        """Waits for `go`."""
        while not self._go.exists():  # noqa: ASYNC110 - it is another process that makes the file
            await asyncio.sleep(_POLL_SECONDS)


class Failpoints:
    """Counts hits and does the fault, once."""

    def __init__(self, folder: Folder, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._left = plan.nth

    async def reached(self, point: str) -> None:
        """`consumer.kafka.delivery.Reached`. Adds `end_sent`: EndTxn is under way and nobody knows its answer."""
        await self._hit(point)
        if point == "ending":
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            await self._hit("end_sent")

    async def _hit(self, point: str) -> None:
        self._folder.note_hit(point)
        if point != self._plan.point or not self._folder.armed:
            return
        self._left -= 1
        if self._left == 0:
            self._folder.note_fault(self._plan)
            match self._plan.action:
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "stop":
                    os.kill(os.getpid(), signal.SIGSTOP)
                case "tell":
                    await self._folder.wait_go()
