"""Metrics of lag: of the partitions that a consumer owns, and of a whole group as `advet lag --serve` sees it.

All are set from one look at Kafka and taken away together when a look fails: old figures would hide an outage.
"""

from collections.abc import Callable, Mapping

from prometheus_client import Counter, Gauge

from consumer.ops.metrics.definitions import Book

Labels = tuple[str, ...]
_PARTITION = {"group": "consumer group", "topic": "input topic", "partition": "its number"}


class Values:
    """Series of a gauge that come and go together."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge

    def show(self, values: Mapping[Labels, float]) -> None:
        """These series and no others."""
        self._gauge.clear()
        for labels, value in values.items():
            self._gauge.labels(*labels).set(value)

    def show_read(self, values: Mapping[Labels, Callable[[], float]]) -> None:
        """The same, read at every scrape."""
        self._gauge.clear()
        for labels, read in values.items():
            self._gauge.labels(*labels).set_function(read)


class Totals:
    """Series of a counter that follow totals counted elsewhere: growth is added, a step back is left out."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._last: dict[Labels, float] = {}

    def show(self, totals: Mapping[Labels, float]) -> None:
        """These series and no others."""
        for labels in self._last.keys() - totals.keys():
            self._counter.remove(*labels)
        for labels, total in totals.items():
            self._counter.labels(*labels).inc(max(0.0, total - self._last.get(labels, 0.0)))
        self._last = dict(totals)


class PartitionLagMetrics:
    """Of each input partition. A consumer and the exporter of its group export the same series."""

    def __init__(self, book: Book) -> None:
        self.records = Values(
            book.gauge(
                "advet_lag_records",
                "records",
                "Left to judge: end - low - finished above low. Without markers of transactions near the end.",
                _PARTITION,
            )
        )
        self.offsets = Values(
            book.gauge(
                "advet_lag_offsets",
                "offsets",
                "End - lowest unfinished offset: what foreign tools show, up to 4,096 too many.",
                _PARTITION,
            )
        )
        self.oldest_seconds = Values(
            book.gauge(
                "advet_oldest_record_age_seconds",
                "seconds",
                "Age of the oldest record without verdict or dead letter; 0 without one.",
                _PARTITION,
            )
        )
        self.appended = Totals(
            book.counter(
                "advet_appended_records_total",
                "records",
                "End offset, from which it begins: its growth is what comes in.",
                _PARTITION,
            )
        )
        self.finished = Totals(
            book.counter(
                "advet_finished_records_total",
                "records",
                "Low offset + finished above it, from which it begins: its growth is what gets done.",
                _PARTITION,
            )
        )
        self.assigned = Values(
            book.gauge("advet_partition_assigned", "bool", "1 while a member of the group owns it.", _PARTITION)
        )
        self.paused = Values(
            book.gauge(
                "advet_partition_paused",
                "bool",
                "1 while its owner does not read it, by its last report.",
                {**_PARTITION, "reason": "as in advet_paused, or activating, draining, window, isolated"},
            )
        )
        self.retention_seconds = Values(
            book.gauge(
                "advet_retention_seconds",
                "seconds",
                "How long the input keeps records; +Inf without a limit.",
                {"topic": "input topic"},
            )
        )
        self._all = (
            self.records,
            self.offsets,
            self.oldest_seconds,
            self.appended,
            self.finished,
            self.assigned,
            self.paused,
            self.retention_seconds,
        )

    def clear(self) -> None:
        """Takes every series away: nothing is known."""
        for one in self._all:
            one.show({})


class GroupLagMetrics:
    """Of a whole group, for `advet lag --serve`: a registry of its own."""

    def __init__(self) -> None:
        self.book = Book("Lag of a group")
        self.partitions = PartitionLagMetrics(self.book)
        group = {"group": "consumer group"}
        topic = {"topic": "topic of dead letters"}
        self.members = Values(self.book.gauge("advet_group_members", "members", "Members of the group.", group))
        self.state = Values(
            self.book.gauge(
                "advet_group_state",
                "bool",
                "1 for the state that the group is in.",
                {**group, "state": "Stable, Empty, Dead, PreparingRebalance, CompletingRebalance"},
            )
        )
        self.gpu_seconds = Values(
            self.book.gauge(
                "advet_lag_gpu_seconds",
                "seconds",
                "What is left, times the mean seconds of the judge for an ad, as consumers report it.",
                group,
            )
        )
        self.drain_seconds = Values(
            self.book.gauge(
                "advet_drain_seconds", "seconds", "Until nothing is left; +Inf while it does not shrink.", group
            )
        )
        self.dead_letters = Values(
            self.book.gauge(
                "advet_dead_letter_topic_records",
                "records",
                "Dead letters that the topic holds; with many, markers of transactions are counted as well.",
                topic,
            )
        )
        self.dead_letters_oldest_seconds = Values(
            self.book.gauge(
                "advet_dead_letter_topic_oldest_seconds", "seconds", "Age of its oldest letter; 0 without one.", topic
            )
        )
        self.replays = Values(
            self.book.gauge(
                "advet_replay_letters",
                "letters",
                "Of replay runs that have not ended.",
                {"run": "its id", "state": "resubmitted, quarantined, refused, left"},
            )
        )
        reads = self.book.counter(
            "advet_lag_reads_total", "looks", "Looks at Kafka for these figures.", {"outcome": "ok, failed"}
        )
        self.reads_ok, self.reads_failed = reads.labels("ok"), reads.labels("failed")

    def clear(self) -> None:
        """Takes every series away but the count of looks."""
        self.partitions.clear()
        for one in (
            self.members,
            self.state,
            self.gpu_seconds,
            self.drain_seconds,
            self.dead_letters,
            self.dead_letters_oldest_seconds,
            self.replays,
        ):
            one.show({})

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return self.book.exposition()
