"""What running consumers say they can take, and what a letter would cost there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from consumer.kafka.scan import Scan
from consumer.settings import Settings
from schemas import OomFacts
from schemas.codec import OperationsMalformed, parse_consumer_report
from schemas.consumer_report import AdPrice, ConsumerReport

REPORTS_MISSED = 3
"""A consumer that has missed so many reports in a row is taken for dead."""


@dataclass(frozen=True, slots=True)
class Devices:
    """Free memory and prices of the consumers that judge on a device; none of them without one."""

    reports: tuple[ConsumerReport, ...] = ()

    @property
    def known(self) -> bool:
        """Whether any consumer reports a device."""
        return bool(self.reports)

    def fits(self, facts: OomFacts | None) -> bool:
        """Whether some device has the memory free now; memory was no trouble for a letter without facts of it."""
        if facts is None:
            return True
        devices = (report.capacity for report in self.reports)
        return any(d is not None and price_bytes(facts, d.price) <= d.free_bytes for d in devices)

    def cheapest_bytes(self, facts: OomFacts | None) -> int:
        """Predicted peak on the device that needs least; as the letter says where no consumer reports a price."""
        if facts is None:
            return 0
        prices = [price_bytes(facts, r.capacity.price) for r in self.reports if r.capacity is not None]
        return min(prices, default=facts.predicted_bytes)

    @property
    def ad_seconds(self) -> float | None:
        """Mean device time of an ad, over the consumers that have measured it."""
        prices = (report.capacity.price.ad_seconds for report in self.reports if report.capacity is not None)
        measured = [seconds for seconds in prices if seconds is not None]
        return sum(measured) / len(measured) if measured else None


def price_bytes(facts: OomFacts, price: AdPrice) -> int:
    """Predicted peak of judging the ad alone."""
    visual, text = facts.visual_tokens * price.visual_token_bytes, facts.text_tokens * price.text_token_bytes
    return round(price.fixed_bytes + visual + text)


def alive(reports: Iterable[ConsumerReport], now: datetime) -> tuple[ConsumerReport, ...]:
    """Those that still report."""
    return tuple(
        report
        for report in reports
        if now - report.reported_at <= timedelta(seconds=REPORTS_MISSED * report.interval_seconds)
    )


async def read_reports(settings: Settings) -> Sequence[ConsumerReport]:
    """The last report of every consumer that has not left, dead ones included. Raises StreamBroken."""
    reports: dict[bytes, ConsumerReport] = {}
    async with Scan(settings.kafka, [settings.topics.consumers]) as scan:
        async for records in scan.batches():
            for record in records:
                key = record.key or b""
                reports.pop(key, None)
                if record.value is not None:
                    try:
                        reports[key] = parse_consumer_report(record.value)
                    except OperationsMalformed:
                        continue  # a newer version's: it counts as no report
    return list(reports.values())


async def read_alive(settings: Settings) -> tuple[ConsumerReport, ...]:
    """Those that still report. Raises StreamBroken."""
    return alive(await read_reports(settings), datetime.now(UTC))


def devices_of(reports: Iterable[ConsumerReport], topic: str) -> Devices:
    """The devices of the consumers that read `topic`."""
    return Devices(tuple(report for report in reports if report.capacity is not None and report.input == topic))
