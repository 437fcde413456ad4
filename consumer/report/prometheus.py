"""Reads a window from a Prometheus, or anything that speaks its HTTP API."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from consumer.report.fetch import Address
from consumer.report.series import Line, Origin, Value, latest
from consumer.report.window import ReportRefused, Window

SILENT = "is it running, and is this its address? Without a Prometheus use --consumer http://host:port"
PRESENT = '__name__=~"advet_records_total|advet_lag_records"'
"""What `advet run` and `advet lag --serve` export from the start."""
LOOK_SECONDS = 600
LOOKS = 1000
"""How finely the beginning of the samples is looked for."""
ROOM_SECONDS = 60
"""From the start of a process to its first sample: one that has started within the window has counted from 0."""
DEFAULT_SCRAPE_SECONDS = 60.0


class PrometheusSource:
    """One query for each metric, of every process: `rate` would lose what was counted before a first scrape."""

    def __init__(self, address: Address, matchers: Sequence[str], since: datetime, until: datetime) -> None:
        """`matchers` narrow every query, as in `namespace="ads"`. Raises ReportRefused."""
        self._address = address
        self._matchers = tuple(matchers)
        first, last = self._seen(since, until)
        self._scrape_seconds = self._scrape_interval(last)
        self._asked, self._first = since, first
        began = first - timedelta(seconds=ROOM_SECONDS)
        self._window = Window.between(max(since, began), until, self._scrape_seconds)

    @property
    def window(self) -> Window:
        """What is read."""
        return self._window

    def origin(self) -> Origin:
        """Raises ReportRefused when no process of advet was scraped in the window."""
        present = self._lines(f"group by (instance) ({{{self._selection(PRESENT)}}})")
        starts = {line.instance: line.values for line in self._lines(f"process_start_time_seconds{self._braces()}")}
        covered = [any(line.values[number] is not None for line in present) for number in range(1, self._steps)]
        return Origin(
            words=f"Prometheus at {self._address.url}{self._narrowed()}, scraped every {self._scrape_seconds:g} s",
            known_from={line.instance: self._known_from(line, starts.get(line.instance, ())) for line in present},
            covered=covered,
            notes=self._notes(),
        )

    def counters(self, name: str) -> list[Line]:
        """Readings at the end of each step, of every process."""
        return self._lines(f"{name}{self._braces()}")

    def last(self, name: str) -> list[Line]:
        """The last reading of each series."""
        ends = ((line, latest(line.values)) for line in self.counters(name))
        return [Line(line.instance, line.labels, [value]) for line, value in ends if value is not None]

    def gauges(self, name: str, where: Mapping[str, str], lowest: bool) -> list[Line]:
        """The highest or lowest value within each step, of series with those labels."""
        matchers = [f'{label}="{value}"' for label, value in where.items()]
        seconds = math.ceil(max(self._window.step_seconds, 1.5 * self._scrape_seconds))
        function = "min_over_time" if lowest else "max_over_time"
        return self._lines(f"{function}({name}{self._braces(*matchers)}[{seconds}s])")

    def _seen(self, since: datetime, until: datetime) -> tuple[datetime, datetime]:
        """From when on, to a step, and until when there are samples. Raises ReportRefused."""
        step_seconds = max(1, math.ceil((until - since).total_seconds() / LOOKS))
        found = self._query(
            "/api/v1/query_range",
            query=f"group(max_over_time({{{self._selection(PRESENT)}}}[{step_seconds}s]))",
            start=f"{since.timestamp():.3f}",
            end=f"{until.timestamp():.3f}",
            step=str(step_seconds),
        )
        if not found:
            raise ReportRefused(
                f"{self._address.url} has no sample of advet in this time{self._narrowed()}: does it scrape advet's "
                "/metrics, and was anything running then? Ask for another --from and --to"
            )
        moments = [datetime.fromtimestamp(moment, UTC) for moment, _ in found[0]["values"]]
        return moments[0] - timedelta(seconds=step_seconds), moments[-1]

    def _scrape_interval(self, last: datetime) -> float:
        """Seconds between two samples, at the end of those that there are."""
        query = f"{{{self._selection(PRESENT)}}}[{LOOK_SECONDS}s]"
        found = self._query("/api/v1/query", query=query, time=f"{last.timestamp():.3f}")
        gaps = [later[0] - earlier[0] for series in found for earlier, later in pairwise(series["values"])]
        return max(1.0, float(round(median(gaps)))) if gaps else DEFAULT_SCRAPE_SECONDS

    def _notes(self) -> list[str]:
        if (self._first - self._asked).total_seconds() < ROOM_SECONDS:
            return []
        return [f"It knows nothing of advet before {self._first.astimezone():%Y-%m-%d %H:%M:%S}."]

    def _known_from(self, present: Line, starts: Sequence[Value]) -> int:
        """A process that started within the window has counted from 0."""
        if any(start is not None and start >= self._window.since_seconds for start in starts):
            return 0
        return next(number for number, value in enumerate(present.values) if value is not None)

    @property
    def _steps(self) -> int:
        return self._window.steps + 1

    def _lines(self, query: str) -> list[Line]:
        window = self._window
        found = self._query(
            "/api/v1/query_range",
            query=query,
            start=f"{window.since_seconds:.3f}",
            end=f"{window.until_seconds:.3f}",
            step=str(window.step_seconds),
        )
        lines = []
        for series in found:
            values: list[Value] = [None] * self._steps
            for moment, text in series["values"]:
                number, value = round((moment - window.since_seconds) / window.step_seconds), float(text)
                if math.isfinite(value):
                    values[number] = value
            lines.append(Line(series["metric"].get("instance", ""), series["metric"], values))
        return lines

    def _query(self, path: str, **parameters: str) -> list[dict[str, Any]]:
        answer = self._address.get(path, parameters, SILENT)
        try:
            result: list[dict[str, Any]] = answer["data"]["result"]
        except (KeyError, TypeError) as error:
            raise ReportRefused(f"{self._address.url} is no Prometheus: it answers {str(answer)[:200]}") from error
        return result

    def _selection(self, *matchers: str) -> str:
        return ",".join((*matchers, *self._matchers))

    def _braces(self, *matchers: str) -> str:
        selection = self._selection(*matchers)
        return f"{{{selection}}}" if selection else ""

    def _narrowed(self) -> str:
        return f" with {', '.join(self._matchers)}" if self._matchers else ""
