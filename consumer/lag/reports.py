"""What running consumers say about themselves on `ad-consumers`, as far as lag needs it. Pure: times are handed in."""

from collections.abc import Sequence
from datetime import UTC, datetime

from consumer.messages import Partition, RawRecord
from consumer.replay.capacity import alive
from schemas.codec import OperationsMalformed, parse_consumer_report
from schemas.consumer_report import ConsumerReport


class Reports:
    """The last report of each consumer of one group and input."""

    def __init__(self, group: str, topic: str) -> None:
        self._group = group
        self._topic = topic
        self._last: dict[bytes, ConsumerReport] = {}
        self._ad_seconds: float | None = None

    def note(self, record: RawRecord) -> None:
        """Takes a record of the topic of reports; what a newer version wrote counts as no report."""
        key = record.key or b""
        self._last.pop(key, None)
        if record.value is None:
            return
        try:
            report = parse_consumer_report(record.value)
        except OperationsMalformed:
            return
        if report.group == self._group and report.input == self._topic:
            self._last[key] = report
            if report.ad_seconds is not None:
                self._ad_seconds = report.ad_seconds

    def alive(self, now_seconds: float) -> Sequence[ConsumerReport]:
        """Those that still report."""
        return alive(self._last.values(), datetime.fromtimestamp(now_seconds, UTC))

    def held(self, now_seconds: float) -> frozenset[Partition]:
        """Partitions that running consumers say they own."""
        reports = self.alive(now_seconds)
        return frozenset(Partition(self._topic, held.number) for report in reports for held in report.partitions)

    def paused(self, now_seconds: float) -> dict[int, tuple[str, ...]]:
        """Partition → why its owner does not read it."""
        held = (partition for report in self.alive(now_seconds) for partition in report.partitions)
        return {partition.number: partition.paused for partition in held if partition.paused}

    def ad_seconds(self, now_seconds: float) -> float | None:
        """Mean time of the judge for an ad over running consumers; without one, what the last of them said."""
        measured = [report.ad_seconds for report in self.alive(now_seconds) if report.ad_seconds is not None]
        return sum(measured) / len(measured) if measured else self._ad_seconds
