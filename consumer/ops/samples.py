"""The consumer's own record of its metrics, for `advet report` where nothing scrapes it.

One row of numbers each `samples.step_seconds`, kept for `samples.keep_seconds` within `samples.max_bytes`: when they
are reached, pairs of older rows become one, so that what is long ago gets coarser, not lost. `/samples` serves it.
"""

import asyncio
import json
import math
import socket
import time
from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

import structlog
from prometheus_client import Metric
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from consumer.settings import SampleSettings

log = structlog.get_logger(__name__)

COUNTERS = frozenset(
    {
        "advet_appended_records_total",
        "advet_dead_letters_total",
        "advet_finished_records_total",
        "advet_gpu_ooms_total",
        "advet_rebalances_total",
        "advet_records_total",
        "advet_rejoins_total",
        "advet_stage_seconds_bucket",
        "advet_terminal_age_seconds_bucket",
        "advet_verdicts_total",
        "advet_withdrawals_total",
        "advet_worker_crashes_total",
    }
)
LOWEST = frozenset({"advet_gpu_budget_bytes"})
"""Gauges of which the lowest of several samples tells most; of the others, the highest."""
GAUGES = LOWEST | {
    "advet_breaker_open",
    "advet_event_loop_stall_seconds",
    "advet_gpu_memory_bytes",
    "advet_in_flight_bytes",
    "advet_in_flight_records",
    "advet_lag_offsets",
    "advet_lag_records",
    "advet_oldest_record_age_seconds",
    "advet_partition_paused",
    "advet_paused",
    "advet_paused_partitions",
    "advet_storage_out",
    "process_resident_memory_bytes",
}
KEPT = COUNTERS | GAUGES

COLUMN_BYTES = 600
"""Of a name with its labels, and how its values are folded; measured with tracemalloc."""
ROW_BYTES = 200
"""Of a row without its numbers; measured with tracemalloc, rounded up."""
NUMBER_BYTES = 8
COLUMNS_SHARE = 0.25
"""Of the bytes; columns beyond are counted and left out."""
FINE_SHARE = 0.25
"""Of the rows: the newest are never made coarser."""
MOST_STEPS = 5_000
NOTHING = math.nan
MALFORMED = 422

_Column = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Row:
    """Values at a moment, one for each column that was known then; NaN where there was none."""

    at_seconds: float
    values: "array[float]"


class Samples:
    """The rows. Of one thread; counters keep their last value when rows become one, gauges their most telling."""

    def __init__(self, settings: SampleSettings) -> None:
        self.settings = settings
        self.left_out = 0
        """Series of the last sample that had no room."""
        self._columns: dict[_Column, int] = {}
        self._folds: list[Callable[[float, float], float]] = []
        self._rows: list[Row] = []
        self._bytes = 0
        self._merged_to = 0
        self._most_columns = int(settings.max_bytes * COLUMNS_SHARE) // COLUMN_BYTES

    @property
    def held_bytes(self) -> int:
        """Memory of rows and columns."""
        return self._bytes + len(self._columns) * COLUMN_BYTES

    @property
    def columns(self) -> list[_Column]:
        """Name and labels of each, in the order of a row's values."""
        return list(self._columns)

    def add(self, at_seconds: float, metrics: Iterable[Metric]) -> None:
        """Takes the values of `metrics` at `at_seconds`. A clock that was set back takes later rows with it."""
        values = self._values(metrics)
        while self._rows and self._rows[-1].at_seconds >= at_seconds:
            self._bytes -= _bytes(self._rows.pop())
        row = Row(at_seconds, values)
        self._rows.append(row)
        self._bytes += _bytes(row)
        self._expire(at_seconds - self.settings.keep_seconds)
        while self.held_bytes > self.settings.max_bytes and len(self._rows) > 2:
            self._coarsen()

    def rows(self, since: float, until: float, step_seconds: float) -> Iterator[tuple[int, Row]]:
        """What is known at `since` as number 0, then one row for each step that has samples, by number.

        Step n ends at `since` + n × `step_seconds`, included.
        """
        rows = list(self._rows)
        first = bisect_right(rows, since, key=lambda row: row.at_seconds)
        if first:
            yield 0, rows[first - 1]
        number, pending = 0, list[Row]()
        for row in rows[first : bisect_right(rows, until, key=lambda row: row.at_seconds)]:
            step = max(1, math.ceil((row.at_seconds - since) / step_seconds))
            if step != number and pending:
                yield number, self._folded(pending)
                pending = []
            number = step
            pending.append(row)
        if pending:
            yield number, self._folded(pending)

    @property
    def oldest_seconds(self) -> float | None:
        """Time of the oldest row."""
        return self._rows[0].at_seconds if self._rows else None

    def _values(self, metrics: Iterable[Metric]) -> "array[float]":
        columns = self._columns
        values = array("d", [NOTHING]) * len(columns)
        self.left_out = 0
        for metric in metrics:
            for sample in metric.samples:
                if sample.name not in KEPT:
                    continue
                key = (sample.name, tuple(sample.labels.items()))
                place = columns.get(key)
                value = sample.value if math.isfinite(sample.value) else NOTHING
                if place is not None:
                    values[place] = value
                elif len(columns) < self._most_columns:
                    columns[key] = len(columns)
                    self._folds.append(_fold(*key))
                    values.append(value)
                else:
                    self.left_out += 1
        return values

    def _expire(self, before: float) -> None:
        old = bisect_right(self._rows, before, key=lambda row: row.at_seconds)
        if old:
            self._bytes -= sum(map(_bytes, self._rows[:old]))
            del self._rows[:old]
            self._merged_to = max(0, self._merged_to - old)

    def _coarsen(self) -> None:
        """Makes the next pair of rows one; over and over through all but the newest."""
        if self._merged_to + 1 >= len(self._rows) * (1 - FINE_SHARE):
            self._merged_to = 0
        pair = self._rows[self._merged_to : self._merged_to + 2]
        whole = self._folded(pair)
        self._bytes += _bytes(whole) - sum(map(_bytes, pair))
        self._rows[self._merged_to : self._merged_to + 2] = [whole]
        self._merged_to += 1

    def _folded(self, rows: list[Row]) -> Row:
        if len(rows) == 1:
            return rows[0]
        values = array("d", rows[-1].values)
        for earlier in rows[-2::-1]:
            for place, value in enumerate(earlier.values):
                values[place] = self._folds[place](value, values[place])
        return Row(rows[-1].at_seconds, values)


def _bytes(row: Row) -> int:
    return ROW_BYTES + NUMBER_BYTES * len(row.values)


def _fold(name: str, labels: tuple[tuple[str, str], ...]) -> Callable[[float, float], float]:
    if name in COUNTERS:
        return lambda earlier, later: earlier if math.isnan(later) else later
    least = name in LOWEST or ("kind", "free") in labels
    pick = min if least else max

    def either(earlier: float, later: float) -> float:
        if math.isnan(earlier):
            return later
        return earlier if math.isnan(later) else pick(earlier, later)

    return either


@asynccontextmanager
async def sampling(samples: Samples, read: Callable[[], Iterable[Metric]]) -> AsyncIterator[None]:
    """Adds to `samples` what `read` returns, for as long as the block runs."""
    task = asyncio.create_task(_sample(samples, read))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _sample(samples: Samples, read: Callable[[], Iterable[Metric]]) -> None:
    while True:
        try:
            samples.add(time.time(), read())
        except Exception as error:  # noqa: BLE001 - the task's boundary: no picture is a reason to end the stream
            log.warning("sample_failed", error=repr(error))
        await asyncio.sleep(samples.settings.step_seconds)


def samples_route(samples: Samples) -> Route:
    """`GET /samples?since=…&until=…&step=…`: seconds since 1970, and the seconds of a step.

    Answers one JSON object: `columns` (name and labels), `rows` (number of the step, values; null where there are
    none; step 0 is what was known at `since`), and what made them. Written row by row, so that the loop goes on.
    """
    started_seconds = time.time()
    instance = socket.gethostname()

    async def pieces(since: float, until: float, step_seconds: float) -> AsyncIterator[bytes]:
        columns = samples.columns
        head = {
            "instance": instance,
            "version": version("advet"),
            "started": started_seconds,
            "oldest": samples.oldest_seconds,
            "step_seconds": samples.settings.step_seconds,
            "left_out": samples.left_out,
            "columns": [[name, dict(labels)] for name, labels in columns],
        }
        yield json.dumps(head)[:-1].encode() + b', "rows": ['
        separator = ""
        for number, row in samples.rows(since, until, step_seconds):
            values = [None if math.isnan(value) else value for value in row.values[: len(columns)]]
            yield f"{separator}\n{json.dumps([number, values])}".encode()
            separator = ","
            await asyncio.sleep(0)
        yield b"]}\n"

    async def answer(request: Request) -> Response:
        try:
            since, until, step = (float(request.query_params[name]) for name in ("since", "until", "step"))
        except (KeyError, ValueError):
            return JSONResponse({"error": "since, until and step are numbers, of seconds"}, status_code=MALFORMED)
        if not (0 <= since < until < math.inf and step > 0 and (until - since) / step <= MOST_STEPS):
            limits = f"since is before until, with 1 to {MOST_STEPS} steps between"
            return JSONResponse({"error": limits}, status_code=MALFORMED)
        return StreamingResponse(pieces(since, until, step), media_type="application/json")

    return Route("/samples", answer)
