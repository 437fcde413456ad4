"""Reports what this consumer owns and can take to the topic `ad-consumers`; leaves it with a tombstone.

Others decide by it: a replay which letters fit, and those who look at lag what an ad costs. A report that cannot be
sent is no reason to end the stream.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

import structlog

from consumer.engine import Engine
from consumer.errors import StreamBroken
from consumer.kafka.writer import EventWriter
from consumer.messages import CapacityReport, Holding
from consumer.settings import Settings
from schemas.codec import encode
from schemas.consumer_report import AdPrice, ConsumerReport, DeviceCapacity, HeldPartition, report_key

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 5.0
LEAVE_SECONDS = 3.0


@runtime_checkable
class ReportsCapacity(Protocol):
    """What an engine with a device offers beside the engine port."""

    def capacity_report(self) -> CapacityReport | None:
        """The device as it is now; cheap. None while that is not known."""
        ...


class Heartbeat:
    """The reports of one consumer; an engine that is no `ReportsCapacity` has no device."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        holdings: Callable[[], Sequence[Holding]],
        ad_seconds: Callable[[], float | None],
    ) -> None:
        """`ad_seconds`: mean time of the judge for an ad, for an engine that does not measure its device."""
        self._settings = settings
        self._engine = engine
        self._holdings = holdings
        self._ad_seconds = ad_seconds
        self._member = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._started_at = datetime.now(UTC)

    def report(self) -> ConsumerReport:
        """What this consumer can take now."""
        device = self._device()
        on_device = None if device is None else device.price.ad_seconds
        return ConsumerReport(
            group=self._settings.kafka.group,
            member=self._member,
            input=self._settings.topics.submissions,
            engine=self._engine.fingerprint,
            policy_version=self._engine.policy_version,
            capacity=device,
            partitions=tuple(HeldPartition(number=h.partition.number, paused=h.paused) for h in self._holdings()),
            ad_seconds=on_device if on_device is not None else self._ad_seconds(),
            started_at=self._started_at,
            reported_at=datetime.now(UTC),
            interval_seconds=INTERVAL_SECONDS,
        )

    def _device(self) -> DeviceCapacity | None:
        seen = self._engine.capacity_report() if isinstance(self._engine, ReportsCapacity) else None
        return None if seen is None else _on_the_wire(seen)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Reports while the block runs, then leaves."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._leave()

    async def _beat(self) -> None:
        while True:
            try:
                async with EventWriter(self._settings.kafka) as writer:
                    while True:
                        await self._send(writer, encode(self.report()))
                        await asyncio.sleep(INTERVAL_SECONDS)
            except Exception as error:  # noqa: BLE001 - the task's boundary: no report is a reason to end the stream
                log.warning("report_failed", error=repr(error))
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS), EventWriter(self._settings.kafka) as writer:
                await self._send(writer, None)
        except (StreamBroken, TimeoutError) as error:
            log.warning("report_failed", error=repr(error))  # the last report grows old instead

    async def _send(self, writer: EventWriter, value: bytes | None) -> None:
        key = report_key(self._settings.kafka.group, self._member)
        await writer.send(self._settings.topics.consumers, key, value, ())


def _on_the_wire(report: CapacityReport) -> DeviceCapacity:
    price = AdPrice(
        fixed_bytes=report.fixed_bytes,
        visual_token_bytes=report.visual_token_bytes,
        text_token_bytes=report.text_token_bytes,
        ad_seconds=report.ad_seconds,
    )
    return DeviceCapacity(
        device=report.device, total_bytes=report.total_bytes, free_bytes=report.free_bytes, price=price
    )
