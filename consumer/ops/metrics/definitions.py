"""What a metric is: one definition with kind, unit, labels and meaning, entered where the metric is made.

`Book` makes metrics and keeps their definitions, in a registry of its own; infra/METRICS.md is written from them.
Metrics of the hot path are `Distribution`s: plain numbers of the event loop's thread, read at a scrape.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Kind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric, as it is exported."""

    name: str
    kind: Kind
    unit: str
    """Base units: `seconds`, `bytes`, `records`; `bool` is 0 or 1."""
    labels: Mapping[str, str]
    """Label → what its values are."""
    meaning: str
    part: str
    """Heading that it stands under."""


class Book:
    """Makes every metric of one process, each once."""

    def __init__(self, part: str) -> None:
        # half of all series, and nobody asks when a counter began
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.definitions: list[Definition] = []
        self._part = part

    def part(self, heading: str) -> "Book":
        """The same book, at another heading."""
        other = Book(heading)
        other.registry, other.definitions = self.registry, self.definitions
        return other

    def counter(self, name: str, unit: str, meaning: str, labels: Mapping[str, str] | None = None) -> Counter:
        """`name` ends in `_total`."""
        self._enter(name, "counter", unit, meaning, labels)
        return Counter(name, meaning, tuple(labels or ()), registry=self.registry)

    def gauge(self, name: str, unit: str, meaning: str, labels: Mapping[str, str] | None = None) -> Gauge:
        """A value that goes up and down."""
        self._enter(name, "gauge", unit, meaning, labels)
        return Gauge(name, meaning, tuple(labels or ()), registry=self.registry)

    def histogram(
        self,
        name: str,
        unit: str,
        meaning: str,
        labels: Mapping[str, str] | None = None,
        buckets: Sequence[float] = SECONDS,
    ) -> Histogram:
        """For what happens a few times a second; `distribution` is for more."""
        self._enter(name, "histogram", unit, meaning, labels)
        return Histogram(name, meaning, tuple(labels or ()), buckets=buckets, registry=self.registry)

    def distribution(self, name: str, unit: str, meaning: str, buckets: Sequence[float] = SECONDS) -> "Distribution":
        """A histogram without labels, for what happens with every record."""
        self._enter(name, "histogram", unit, meaning, None)
        one = Distribution(buckets)
        self.registry.register(_Distributions(name, meaning, None, {"": one}))
        return one

    def distributions(
        self, name: str, unit: str, meaning: str, label: str, values: Sequence[str]
    ) -> "dict[str, Distribution]":
        """The same with one label, whose values are known."""
        self._enter(name, "histogram", unit, meaning, {label: ", ".join(values)})
        series = {value: Distribution(SECONDS) for value in values}
        self.registry.register(_Distributions(name, meaning, label, series))
        return series

    def read_counter(self, name: str, unit: str, meaning: str, label: str, values: str) -> "ReadCounter":
        """A counter with one label that somebody else counts: it is read at a scrape."""
        self._enter(name, "counter", unit, meaning, {label: values})
        counter = ReadCounter(name, meaning, label)
        self.registry.register(counter)
        return counter

    def exposition(self) -> bytes:
        """The Prometheus text format."""
        return generate_latest(self.registry)

    def _enter(self, name: str, kind: Kind, unit: str, meaning: str, labels: Mapping[str, str] | None) -> None:
        if (kind == "counter") != name.endswith("_total"):
            raise ValueError(f"{name}: counters, and nothing else, end in _total")
        self.definitions.append(Definition(name, kind, unit, dict(labels or {}), meaning, self._part))


class Distribution:
    """One series of a histogram; an observation costs a fifth of prometheus_client's. Of one thread only."""

    __slots__ = ("_counts", "_sum", "bounds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Counts a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._sum += value

    def mean(self) -> float | None:
        """Of all values; None without one."""
        count = sum(self._counts)
        return self._sum / count if count else None

    def cumulated(self) -> tuple[list[tuple[str, float]], float]:
        """Buckets as Prometheus has them, and the sum."""
        count, buckets = 0, []
        for bound, here in zip((*map(str, map(float, self.bounds)), "+Inf"), self._counts, strict=True):
            count += here
            buckets.append((bound, float(count)))
        return buckets, self._sum


class ReadCounter(Collector):
    """A counter of what others count."""

    def __init__(self, name: str, meaning: str, label: str) -> None:
        self._name, self._meaning, self._label = name, meaning, label
        self._read: dict[str, Callable[[], float]] = {}

    def watch(self, value: str, read: Callable[[], float]) -> None:
        """Exports what `read` returns, which must never fall, under the label's `value`."""
        self._read[value] = read

    def collect(self) -> Iterator[CounterMetricFamily]:
        """For the registry."""
        family = CounterMetricFamily(self._name, self._meaning, labels=[self._label])
        for value, read in self._read.items():
            family.add_metric([value], read())
        yield family


class _Distributions(Collector):
    def __init__(self, name: str, meaning: str, label: str | None, series: Mapping[str, Distribution]) -> None:
        self._name, self._meaning, self._label = name, meaning, label
        self._series = series

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._meaning, labels=[self._label] if self._label else [])
        for value, one in self._series.items():
            family.add_metric([value] if self._label else [], *one.cumulated())
        yield family
