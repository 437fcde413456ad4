"""Reads a window from running consumers: each keeps samples of its own metrics and serves them at `/samples`."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from consumer.report.fetch import Address
from consumer.report.series import Line, Origin, Value
from consumer.report.window import ReportRefused, Window

SILENT = (
    "does a consumer run there, and is this its http.port? For a time when it did not run, or before it was started "
    "anew, only a Prometheus can tell: --prometheus URL"
)


UNKNOWN_SECONDS = 60
"""Shorter is not worth a note."""


@dataclass(frozen=True, slots=True)
class _Ring:
    """One consumer's answer."""

    address: Address
    head: Mapping[str, Any]
    lines: Mapping[str, list[Line]]
    """By metric; readings as they were: None in a step without a sample."""
    numbers: Sequence[int]
    """Steps that have a sample, in order; 0 is what was known before the window."""
    ends: Mapping[str, list[Line]]
    """By metric, what the last sample says."""


class RingSource:
    """Everything is fetched at once and added up here."""

    def __init__(self, addresses: Sequence[Address], since: datetime, until: datetime) -> None:
        """Raises ReportRefused when one of them does not answer."""
        heads = [_ask(address, time.time() - 1, time.time(), 1) for address in addresses]
        finest_seconds = max(float(head["step_seconds"]) for head in heads)
        oldest = min(head["oldest"] or head["started"] for head in heads)
        known = datetime.fromtimestamp(oldest - finest_seconds, UTC)
        self._asked = since
        self._window = Window.between(max(since, known) if known < until else since, until, finest_seconds)
        self._rings = [self._read(address) for address in addresses]

    @property
    def window(self) -> Window:
        """What is read."""
        return self._window

    def origin(self) -> Origin:
        """Raises ReportRefused when none has a sample in the window."""
        if not any(number for ring in self._rings for number in ring.numbers):
            oldest = min(ring.head["oldest"] or ring.head["started"] for ring in self._rings)
            raise ReportRefused(
                f"{_names(self._rings)} kept nothing of this time: the oldest sample is of "
                f"{datetime.fromtimestamp(oldest, UTC).isoformat(timespec='seconds')}. Ask for a later --from and "
                "--to, or a Prometheus: --prometheus URL"
            )
        last = {ring.address.name: max(ring.numbers, default=0) for ring in self._rings}
        first = {ring.address.name: min(ring.numbers, default=self._window.steps) for ring in self._rings}
        return Origin(
            words=f"own samples of {_names(self._rings)}",
            known_from={ring.address.name: self._known_from(ring) for ring in self._rings},
            covered=[
                any(first[ring.address.name] <= number <= last[ring.address.name] for ring in self._rings)
                for number in range(1, self._window.steps + 1)
            ],
            notes=[note for ring in self._rings for note in self._notes(ring)],
        )

    def counters(self, name: str) -> list[Line]:
        """Readings at the end of each step, of every consumer."""
        return [_between(line) for ring in self._rings for line in ring.lines.get(name, ())]

    def last(self, name: str) -> list[Line]:
        """What the last samples say."""
        return [line for ring in self._rings for line in ring.ends.get(name, ())]

    def gauges(self, name: str, where: Mapping[str, str], lowest: bool) -> list[Line]:
        """The most telling value within each step: which one that is, the consumer has decided."""
        del lowest
        lines = (line for ring in self._rings for line in ring.lines.get(name, ()))
        return [_spanning(line) for line in lines if where.items() <= line.labels.items()]

    def _read(self, address: Address) -> _Ring:
        window = self._window
        head = _ask(address, window.since_seconds, window.until_seconds, window.step_seconds)
        end = _ask(address, window.until_seconds - 1, window.until_seconds, 1)
        numbers = [number for number, _ in head["rows"]]
        ends = _lines(address, end["columns"], [(0, values) for _, values in end["rows"][-1:]], 0)
        return _Ring(address, head, _lines(address, head["columns"], head["rows"], window.steps), numbers, ends)

    def _known_from(self, ring: _Ring) -> int:
        """From its first sample on; one that started within the window has counted from 0."""
        started_within = ring.head["started"] >= self._window.since_seconds
        return 0 if started_within else min(ring.numbers, default=self._window.steps)

    def _notes(self, ring: _Ring) -> list[str]:
        notes = []
        oldest = datetime.fromtimestamp(ring.head["oldest"] or ring.head["started"], UTC)
        if (oldest - self._asked).total_seconds() >= UNKNOWN_SECONDS:
            why = "it was started then" if ring.head["oldest"] - ring.head["started"] < UNKNOWN_SECONDS else "dropped"
            notes.append(f"{ring.address.name} knows nothing before {oldest.astimezone():%Y-%m-%d %H:%M:%S}: {why}.")
        if ring.head["left_out"]:
            notes.append(
                f"{ring.address.name} had no room for {ring.head['left_out']} series: raise its samples.max_bytes."
            )
        return notes


def _ask(address: Address, since: float, until: float, step_seconds: float) -> dict[str, Any]:
    query = {"since": f"{since:.3f}", "until": f"{until:.3f}", "step": f"{step_seconds:g}"}
    answer = address.get("/samples", query, SILENT)
    if not {"step_seconds", "rows", "columns", "started", "oldest", "left_out"} <= answer.keys():
        raise ReportRefused(f"what answers at {address.url} is no consumer of this version of advet")
    return answer


def _lines(
    address: Address, columns: Sequence[tuple[str, dict[str, str]]], rows: Sequence[tuple[int, list[Value]]], last: int
) -> dict[str, list[Line]]:
    """The columns of an answer as lines of steps 0 to `last`, by metric."""
    readings: list[list[Value]] = [[None] * (last + 1) for _ in columns]
    for number, values in rows:
        for column, value in zip(readings, values, strict=False):
            column[min(number, last)] = value
    lines: dict[str, list[Line]] = {}
    for (name, labels), column in zip(columns, readings, strict=True):
        lines.setdefault(name, []).append(Line(address.name, labels, column))
    return lines


def _between(line: Line) -> Line:
    """A counter between two samples stands where it stood."""
    values: list[Value] = []
    for value in line.values:
        values.append(values[-1] if value is None and values else value)
    last = max((number for number, value in enumerate(line.values) if value is not None), default=-1)
    return Line(line.instance, line.labels, [*values[: last + 1], *([None] * (len(values) - last - 1))])


def _spanning(line: Line) -> Line:
    """A sample of several steps holds for each of them."""
    values, following = list(line.values), None
    first = next((number for number, value in enumerate(values) if value is not None), len(values))
    for number in range(len(values) - 1, first, -1):
        following = values[number] = following if values[number] is None else values[number]
    return Line(line.instance, line.labels, values)


def _names(rings: Sequence[_Ring]) -> str:
    return ", ".join(f"the consumer at {ring.address.url}" for ring in rings)
