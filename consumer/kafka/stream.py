"""The input side as a whole: one membership of the group after another, until asked to stop."""

import asyncio
import contextlib

import structlog

from consumer.errors import AdvetError
from consumer.kafka.assignment import SkipRefused
from consumer.kafka.connection import AIOKAFKA, Clients
from consumer.kafka.delivery import MustRejoin, Reached, reached_nothing
from consumer.kafka.items import Work
from consumer.kafka.member import Member
from consumer.messages import Holding, Partition
from consumer.ops.metrics import Metrics
from consumer.settings import Settings

log = structlog.get_logger(__name__)

REJOIN_SECONDS = 1.0


class Stream:
    """Runs memberships; a member that was fenced leaves, and a new one joins."""

    def __init__(
        self,
        settings: Settings,
        work: Work,
        metrics: Metrics,
        reached: Reached = reached_nothing,
        clients: Clients = AIOKAFKA,
    ) -> None:
        self._settings = settings
        self._work = work
        self._metrics = metrics
        self._reached = reached
        self._clients = clients
        self._stopping = asyncio.Event()
        self._member: Member | None = None
        metrics.queue_depth.labels("transaction").set_function(lambda: self._member.waiting if self._member else 0)

    @property
    def ready(self) -> bool:
        """Whether the group has answered, every assigned partition can be read, and no shutdown has begun."""
        return not self._stopping.is_set() and self._member is not None and self._member.ready

    def holdings(self) -> tuple[Holding, ...]:
        """The partitions that this consumer owns now."""
        return self._member.holdings if self._member is not None else ()

    def skip(self, partition: Partition, offset: int, reason: str) -> None:
        """Sends one record to the dead letters; raises SkipRefused."""
        if self._member is None:
            raise SkipRefused("this consumer is not in its group now")
        self._member.skip(partition, offset, reason)

    def stop(self) -> None:
        """Asks `run` to drain and return."""
        self._stopping.set()

    async def run(self) -> int:
        """Works until `stop`. Returns how many records were given up unfinished.

        Raises StartRefused, or StreamBroken when the stream itself fails.
        """
        while True:
            self._member = Member(self._settings, self._work, self._metrics, self._reached, self._clients)
            try:
                return await self._member.run(self._stopping)
            except* MustRejoin as fenced:
                log.warning("rejoin", error=str(first_of(fenced)))
            except* AdvetError as broken:
                raise first_of(broken) from None
            self._member = None
            self._metrics.rejoins.inc()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REJOIN_SECONDS):
                    await self._stopping.wait()
                return 0


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group that is no group itself."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
