"""Reads a window from a Prometheus, or anything that speaks its HTTP API."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from consumer.report.fetch import Address
from consumer.report.series import Line, Origin, Value
from consumer.report.window import ReportRefused, Window

SILENT = "is it running, and is this its address? Without a Prometheus use --consumer http://host:port"
PRESENT = '__name__=~"advet_records_total|advet_lag_records"'
"""What `advet run` and `advet lag --serve` export from the start."""
LOOK_SECONDS = 600
DEFAULT_SCRAPE_SECONDS = 60.0
COARSEST_SECONDS = 3600
"""A lookback of five minutes tells whether a process was there; this finds one that was there for an hour."""


class PrometheusSource:
    """One query for each metric, of every process: `rate` would lose what was counted before a first scrape."""

    def __init__(self, address: Address, matchers: Sequence[str], since: datetime, until: datetime) -> None:
        """`matchers` narrow every query, as in `namespace="ads"`. Raises ReportRefused."""
        self._address = address
        self._matchers = tuple(matchers)
        self._scrape_seconds = self._scrape_interval(since, until)
        self._window = Window.between(since, until, self._scrape_seconds)
        self._present: list[Line] | None = None

    @property
    def window(self) -> Window:
        """What is read."""
        return self._window

    def origin(self) -> Origin:
        """Raises ReportRefused when no process of advet was scraped in the window."""
        present = self._lines(f"group by (instance) ({{{self._selection(PRESENT)}}})")
        if not present:
            raise ReportRefused(
                f"{self._address.url} has no sample of advet in this time{self._narrowed()}: does it scrape advet's "
                "/metrics, and was anything running then? Ask for another --from and --to"
            )
        starts = {line.instance: line.values for line in self._lines(f"process_start_time_seconds{self._braces()}")}
        covered = [any(line.values[number] is not None for line in present) for number in range(1, self._steps)]
        return Origin(
            words=f"Prometheus at {self._address.url}{self._narrowed()}, scraped every {self._scrape_seconds:g} s",
            known_from={line.instance: self._known_from(line, starts.get(line.instance, ())) for line in present},
            covered=covered,
        )

    def counters(self, name: str) -> list[Line]:
        """Readings at the end of each step, of every process."""
        return self._lines(f"{name}{self._braces()}")

    def gauges(self, name: str, where: Mapping[str, str], lowest: bool) -> list[Line]:
        """The highest or lowest value within each step, of series with those labels."""
        matchers = [f'{label}="{value}"' for label, value in where.items()]
        seconds = math.ceil(max(self._window.step_seconds, 1.5 * self._scrape_seconds))
        function = "min_over_time" if lowest else "max_over_time"
        return self._lines(f"{function}({name}{self._braces(*matchers)}[{seconds}s])")

    def _scrape_interval(self, since: datetime, until: datetime) -> float:
        """Seconds between two samples at the end of the time, or wherever in it there are any."""
        end_seconds = until.timestamp()
        seconds = min(LOOK_SECONDS, max(1, math.ceil(end_seconds - since.timestamp())))
        selector = f"{{{self._selection(PRESENT)}}}"
        for moment in (end_seconds, self._last_seen(selector, since, until)):
            if moment is None:
                continue
            found = self._query("/api/v1/query", query=f"{selector}[{seconds}s]", time=f"{moment:.3f}")
            gaps = [
                later[0] - earlier[0]
                for series in found
                for earlier, later in zip(series["values"], series["values"][1:], strict=False)
            ]
            if gaps:
                return max(1.0, float(round(median(gaps))))
        return DEFAULT_SCRAPE_SECONDS

    def _last_seen(self, selector: str, since: datetime, until: datetime) -> float | None:
        step_seconds = max(1, min(COARSEST_SECONDS, math.ceil((until - since).total_seconds() / 1000)))
        found = self._query(
            "/api/v1/query_range",
            query=f"group(max_over_time({selector}[{step_seconds}s]))",
            start=f"{since.timestamp():.3f}",
            end=f"{until.timestamp():.3f}",
            step=str(step_seconds),
        )
        return max((float(series["values"][-1][0]) for series in found), default=None)

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
