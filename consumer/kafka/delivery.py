"""The one place where delivery promises differ: what it takes to make an outcome durable and an offset committed.

`at_least_once` publishes and then commits low offsets; `exactly_once` does both in one transaction a batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from consumer.errors import AdvetError
from consumer.kafka.assignment import Assignment
from consumer.kafka.completion_map import Coverage
from consumer.messages import Terminal

Reached = Callable[[str], Awaitable[None]]
"""Called at named points of the protocol, so that tests can end or stop the process right there."""


async def reached_nothing(_point: str) -> None:
    """What production runs with."""


class MustRejoin(AdvetError):
    """Another owner of a partition has shown itself: publish nothing more, leave the group and join anew."""


class ActivationAbandoned(AdvetError):
    """The partition was taken away while it was being activated: nothing to do."""


class Delivery(Protocol):
    """Serves all partitions of one membership."""

    async def start(self, tasks: asyncio.TaskGroup, lost: Callable[[Assignment], None]) -> None:
        """Connects. Background work goes into `tasks`; `lost` is called when an assignment must be activated anew.

        Raises StartRefused when the broker cannot keep the promise.
        """

    async def activate(self, assignment: Assignment) -> Coverage:
        """Ends what an earlier owner had under way and says where to go on.

        Raises KafkaError or TimeoutError to be tried again, ActivationAbandoned, MustRejoin, or StreamBroken.
        """
        ...

    async def publish(self, assignment: Assignment, offset: int, terminal: Terminal | None) -> None:
        """Takes an outcome (None: nothing to send); `assignment.finish(offset)` is called once it is durable."""

    def waiting(self, assignment: Assignment) -> int:
        """Outcomes that wait for the next transaction: what made them is over."""
        ...

    def hurry(self) -> None:
        """So many outcomes wait that nothing more is read: they should leave now."""

    async def suspect(self, assignment: Assignment, offset: int) -> int:
        """Makes durable that `offset` is about to run alone; returns how many such runs have ended in a crash."""
        ...

    async def settle(self, assignments: Iterable[Assignment]) -> None:
        """After a drain: commits what is finished, and that this owner left in good order."""

    async def release(self, assignment: Assignment) -> None:
        """Lets go of an assignment that has ended."""

    async def stop(self) -> None:
        """Disconnects; bounded in time."""
