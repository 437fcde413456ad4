"""Asks a source for what pictures need: amounts, levels and times by label, over all processes. No I/O of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from consumer.report.series import (
    Line,
    Source,
    Table,
    Value,
    growth,
    increase,
    keyed,
    merged,
    overall,
    quantiles,
    total,
)

PARTITION = ("group", "topic", "partition")


@dataclass(frozen=True, slots=True)
class Times:
    """Medians and 99th percentiles by a label's value, in seconds: of each step, and of the whole time."""

    p50: Mapping[str, list[Value]]
    p99: Mapping[str, list[Value]]
    p50_overall: Mapping[str, float]
    p99_overall: Mapping[str, float]


class Reader:
    """Asks the source for what the pictures need."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.origin = source.origin()
        self.step_seconds = source.window.step_seconds

    def amounts(self, name: str, *by: str) -> Table:
        """What each step added to a counter, over all processes, by labels."""
        lines = self._source.counters(name)
        known = self.origin.known_from
        added = (Line(line.instance, line.labels, increase(line.values, known.get(line.instance))) for line in lines)
        return merged(keyed(added, by))

    def positions(self, name: str) -> list[Value]:
        """What each step added to the positions of all partitions, whoever reports them."""
        partitions = merged(keyed(self._source.counters(name), PARTITION), max)
        return total(growth(values) for values in partitions.values())

    def highest(self, name: str, *by: str, **where: str) -> Table:
        """The highest value within each step; where several processes report the same, the higher one."""
        return self._levels(name, by, where, lowest=False, merge=max)

    def lowest(self, name: str, *by: str, **where: str) -> Table:
        """The lowest value within each step."""
        return self._levels(name, by, where, lowest=True, merge=min)

    def ends(self, name: str) -> list[float]:
        """The last reading of each partition; where several processes report it, the higher one."""
        ends = merged(keyed(self._source.last(name), PARTITION), max)
        return [value for values in ends.values() for value in values if value is not None]

    def times(self, name: str, by: str | None) -> Times:
        """Of a histogram."""
        added = self.amounts(f"{name}_bucket", by or "", "le")
        buckets = {(label, float(bound)): values for (label, bound), values in added.items()}
        return Times(
            p50=quantiles(buckets, 0.5),
            p99=quantiles(buckets, 0.99),
            p50_overall=overall(buckets, 0.5),
            p99_overall=overall(buckets, 0.99),
        )

    def per_second(self, values: Sequence[Value]) -> list[Value]:
        """Of amounts."""
        return [None if value is None else value / self.step_seconds for value in values]

    def _levels(
        self,
        name: str,
        by: Sequence[str],
        where: Mapping[str, str],
        *,
        lowest: bool,
        merge: Callable[[float, float], float],
    ) -> Table:
        table = merged(keyed(self._source.gauges(name, where, lowest), by), merge)
        return {key: values[1:] for key, values in table.items()}
