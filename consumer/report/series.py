"""What was read, added up: pure. A series has one value for each step of the window; None where nothing is known."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumer.report.window import Window

Value = float | None
Key = tuple[str, ...]
Table = dict[Key, list[Value]]
"""Values of labels → a series."""


@dataclass(frozen=True, slots=True)
class Line:
    """One time series of one process: a value at the moment before the window, then one for each step."""

    instance: str
    labels: Mapping[str, str]
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the numbers come from."""

    words: str
    """For people: what was read, with its address."""
    known_from: Mapping[str, int]
    """Instance → step from which all its counters are known: one that is not there then stands at 0."""
    covered: Sequence[bool]
    """For each step, whether any process was there."""
    notes: Sequence[str] = field(default_factory=tuple)
    """What is missing or odd."""


class Source(Protocol):
    """A Prometheus, or consumers' own samples."""

    @property
    def window(self) -> Window:
        """What is read."""
        ...

    def origin(self) -> Origin:
        """Raises ReportRefused when there is nothing in the window."""
        ...

    def counters(self, name: str) -> list[Line]:
        """Readings at the end of each step."""
        ...

    def last(self, name: str) -> list[Line]:
        """The last reading of a gauge, as a line of that one value."""
        ...

    def gauges(self, name: str, where: Mapping[str, str], lowest: bool) -> list[Line]:
        """The highest or lowest value within each step, of series with those labels."""
        ...


def increase(values: Sequence[Value], known_from: int | None) -> list[Value]:
    """What each step added to a counter that falls only when its process starts anew.

    One that appears in a process whose counters were known before has come from 0.
    """
    added: list[Value] = []
    before: Value = None
    for number, value in enumerate(values):
        if value is None:
            added.append(None)
            continue
        if before is None:
            added.append(value if known_from is not None and known_from < number else 0.0)
        else:
            added.append(value - before if value >= before else value)
        before = value
    return added[1:]


def growth(values: Sequence[Value]) -> list[Value]:
    """What each step added to a position that several may report: where it falls or appears, nothing."""
    added: list[Value] = []
    before: Value = None
    for value in values:
        added.append(None if value is None else max(0.0, value - (value if before is None else before)))
        before = before if value is None else max(value, before or 0.0)
    return added[1:]


def merged(
    lines: Iterable[tuple[Key, Sequence[Value]]],
    merge: Callable[[float, float], float] = lambda one, other: one + other,
) -> Table:
    """One series for each key, from all that have it."""
    table: Table = {}
    for key, values in lines:
        if key not in table:
            table[key] = list(values)
            continue
        mine = table[key]
        for number, value in enumerate(values):
            here = mine[number]
            mine[number] = value if here is None else here if value is None else merge(here, value)
    return table


def keyed(lines: Iterable[Line], by: Sequence[str]) -> list[tuple[Key, Sequence[Value]]]:
    """Lines by the values of labels; one without a label has it empty. `instance` is a label here."""
    return [
        (tuple(line.instance if name == "instance" else line.labels.get(name, "") for name in by), line.values)
        for line in lines
    ]


def total(series: Iterable[Sequence[Value]]) -> list[Value]:
    """The sum of all, step by step."""
    return next(iter(merged(((), values) for values in series).values()), [])


def latest(values: Sequence[Value]) -> float | None:
    """The last known value."""
    return next((value for value in reversed(values) if value is not None), None)


def quantile(cumulated: Sequence[tuple[float, float]], share: float) -> Value:
    """The value below which `share` of the observations lie, linear within its bucket, as Prometheus does it.

    `cumulated` holds upper bounds, +Inf last, and counts. None without observations; the highest finite bound when
    it lies beyond.
    """
    if not cumulated or cumulated[-1][1] <= 0:
        return None
    wanted = share * cumulated[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in cumulated:
        if count >= wanted and count > below:
            return lower if math.isinf(bound) else lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = (lower if math.isinf(bound) else bound), count
    return lower


def quantiles(buckets: Mapping[tuple[str, float], Sequence[Value]], share: float) -> dict[str, list[Value]]:
    """For each label's value, the quantile in each step."""
    return {
        label: [quantile(_at(bounds, number), share) for number in range(_length(bounds))]
        for label, bounds in _by_label(buckets).items()
    }


def overall(buckets: Mapping[tuple[str, float], Sequence[Value]], share: float) -> dict[str, float]:
    """For each label's value, the quantile over all steps; without those that observed nothing."""
    found = {}
    for label, bounds in _by_label(buckets).items():
        whole = quantile(
            _monotone([(bound, sum(filter(None, values))) for bound, values in sorted(bounds.items())]), share
        )
        if whole is not None:
            found[label] = whole
    return found


def _by_label(buckets: Mapping[tuple[str, float], Sequence[Value]]) -> dict[str, dict[float, Sequence[Value]]]:
    labels: dict[str, dict[float, Sequence[Value]]] = defaultdict(dict)
    for (label, bound), values in buckets.items():
        labels[label][bound] = values
    return labels


def _at(bounds: Mapping[float, Sequence[Value]], number: int) -> list[tuple[float, float]]:
    return _monotone([(bound, values[number] or 0.0) for bound, values in sorted(bounds.items())])


def _length(bounds: Mapping[float, Sequence[Value]]) -> int:
    return min(map(len, bounds.values()))


def _monotone(cumulated: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Extrapolated counts may fall by a hair from one bound to the next."""
    highest = 0.0
    result = []
    for bound, count in cumulated:
        highest = max(highest, count)
        result.append((bound, highest))
    return result
