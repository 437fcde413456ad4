"""The consumer's own samples: bounded in age, bytes and columns, coarser with age, no count lost, cheap to take."""

import asyncio
import json
import math
import statistics
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.applications import Starlette

from consumer.ops.http import serving
from consumer.ops.metrics import Metrics
from consumer.ops.samples import COLUMN_BYTES, COUNTERS, GAUGES, KEPT, Samples, samples_route, sampling
from consumer.settings import MIB, SampleSettings
from tests.unit.ops.asking import ask

STEP = 5.0
START = 1_800_000_000.0


class Process:
    """Two metrics that are kept, one that is not, and a clock."""

    def __init__(self, **settings: float) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter("advet_records_total", "-", registry=self.registry)
        self.stall = Gauge("advet_event_loop_stall_seconds", "-", registry=self.registry)
        self.letters = Counter("advet_dead_letters_total", "-", ["reason", "stage"], registry=self.registry)
        Gauge("advet_something_else", "-", registry=self.registry)
        self.samples = Samples(SampleSettings(**settings))
        self.now = START

    def sample(self, records: int = 1, stall_seconds: float = 0.0) -> None:
        """One step of time."""
        self.now += STEP
        self.records.inc(records)
        self.stall.set(stall_seconds)
        self.samples.add(self.now, self.registry.collect())

    def column(self, name: str) -> int:
        """Where its values are in a row."""
        return [column for column, _ in self.samples.columns].index(name)

    def all(self, step_seconds: float = 1.0) -> list:
        return [row for _, row in self.samples.rows(START, self.now, step_seconds)]


def test_only_what_a_report_reads_is_kept() -> None:
    process = Process()
    process.sample()
    assert {name for name, _ in process.samples.columns} == {"advet_records_total", "advet_event_loop_stall_seconds"}


def test_a_row_older_than_it_is_kept_goes() -> None:
    process = Process(keep_seconds=60)
    for _ in range(50):
        process.sample()
    rows = process.all()
    assert len(rows) == 12
    assert process.samples.oldest_seconds == process.now - 55


def test_bytes_stay_below_the_bound_and_what_is_old_gets_coarser() -> None:
    process = Process(max_bytes=MIB, keep_seconds=604_800)
    for number in range(200):  # columns as many partitions make
        process.letters.labels(f"reason{number}", "read")
    for number in range(1500):
        process.sample(stall_seconds=float(number == 100))
        assert process.samples.held_bytes <= MIB
    rows = process.all()
    assert 300 < len(rows) < 700
    assert process.samples.oldest_seconds is not None
    assert process.samples.oldest_seconds < START + 0.1 * 1500 * STEP
    gaps = [later.at_seconds - earlier.at_seconds for earlier, later in pairwise(rows)]
    newest = gaps[-len(rows) // 5 :]
    assert set(newest) == {STEP}
    assert statistics.mean(gaps[: len(gaps) // 4]) > 3 * STEP
    stalls = [row.values[process.column("advet_event_loop_stall_seconds")] for row in rows]
    assert max(stalls) == 1, "the peak outlives the rows around it"
    counts = [row.values[process.column("advet_records_total")] for row in rows]
    assert counts == sorted(counts)
    assert counts[-1] == 1500


def test_series_without_room_are_counted() -> None:
    process = Process(max_bytes=MIB)
    room = MIB // 4 // COLUMN_BYTES
    for number in range(room + 10):
        process.letters.labels(f"reason{number}", "read")
    process.sample()
    assert len(process.samples.columns) == room
    assert process.samples.left_out == 12


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 60))
def test_no_step_size_loses_a_count(increments: list[int], step_seconds: int) -> None:
    process = Process()
    for increment in increments:
        process.sample(increment)
    rows = list(process.samples.rows(START, process.now, step_seconds))
    numbers = [number for number, _ in rows]
    assert numbers == sorted(set(numbers))
    assert max(numbers) <= math.ceil((process.now - START) / step_seconds)
    assert rows[-1][1].values[process.column("advet_records_total")] == sum(increments)


def test_step_zero_is_what_was_known_before() -> None:
    process = Process()
    for _ in range(10):
        process.sample()
    rows = list(process.samples.rows(START + 22, START + 50, 10))
    assert [(number, row.at_seconds - START) for number, row in rows] == [(0, 20), (1, 30), (2, 40), (3, 50)]


def test_a_clock_that_is_set_back_takes_later_rows_with_it() -> None:
    process = Process()
    for _ in range(10):
        process.sample()
    before = process.samples.held_bytes
    process.now = START + 20
    process.sample()
    moments = [row.at_seconds - START for row in process.all()]
    assert moments == [5, 10, 15, 20, 25]
    assert process.samples.held_bytes < before


def test_what_appears_later_and_what_goes_away_is_nothing_elsewhere() -> None:
    process = Process()
    process.sample()
    process.letters.labels("creative_missing", "fetch").inc()
    process.sample()
    process.letters.clear()
    process.sample()
    rows = process.all()
    place = process.column("advet_dead_letters_total")
    assert len(rows[0].values) == place
    assert rows[1].values[place] == 1
    assert math.isnan(rows[2].values[place])
    [(_, whole)] = list(process.samples.rows(START + 9, process.now, 60))[1:]
    assert whole.values[place] == 1, "a counter keeps its last value"


def exported(metrics: Metrics) -> set[str]:
    """Names as Prometheus knows them, of series that may have no sample yet."""
    names = {sample.name for metric in metrics.book.registry.collect() for sample in metric.samples}
    defined = {definition.name for definition in metrics.book.definitions}
    return names | defined | {f"{name}_bucket" for name in defined}


def test_every_metric_that_is_kept_is_exported_with_its_kind() -> None:
    metrics = Metrics()
    assert exported(metrics) >= KEPT
    kinds = {definition.name: definition.kind for definition in metrics.book.definitions}
    assert {kinds.get(name.removesuffix("_bucket"), "gauge") for name in GAUGES} == {"gauge"}
    assert {kinds[name.removesuffix("_bucket")] for name in COUNTERS} == {"counter", "histogram"}


def test_a_sample_of_a_consumer_with_64_partitions_costs_the_event_loop_less_than_5_ms() -> None:
    """In time of the processor: others on this machine are no cost of a sample."""
    metrics, samples = Metrics(), Samples(SampleSettings(max_bytes=MIB, keep_seconds=604_800))
    lag = metrics.lag
    for series in (lag.records, lag.offsets, lag.oldest_seconds, lag.appended, lag.finished):
        series.show({("advet", "ad-submissions", str(number)): 1.0 for number in range(64)})
    took_seconds = []
    for number in range(300):  # more than have room: rows become one meanwhile
        began = time.thread_time()
        samples.add(START + number, metrics.book.registry.collect())
        took_seconds.append(time.thread_time() - began)
    assert len(samples.columns) > 400
    assert len(list(samples.rows(START, START + 300, 1))) < 300
    assert statistics.median(took_seconds) < 0.005


def test_the_route_answers_json_and_refuses_nonsense() -> None:
    process = Process()

    async def run() -> tuple[dict, list[int]]:
        async with (
            sampling(process.samples, process.registry.collect),
            serving("http", "127.0.0.1", 0, Starlette(routes=[samples_route(process.samples)])) as port,
        ):
            now = time.time()
            status, body = await ask(port, f"/samples?since={now - 60}&until={now + 60}&step=5")
            assert status == 200
            wrong = [
                "since=1&until=2",
                "since=a&until=2&step=1",
                "since=2&until=1&step=1",
                "since=0&until=inf&step=1",
                "since=0&until=nan&step=1",
                "since=0&until=1000000&step=1",
                "since=0&until=1&step=0",
            ]
            return json.loads(body), [(await ask(port, f"/samples?{query}"))[0] for query in wrong]

    answer, refused = asyncio.run(run())
    assert set(refused) == {422}
    [[number, values]] = answer["rows"]
    columns = [name for name, _ in answer["columns"]]
    assert values[columns.index("advet_records_total")] == 0
    assert number in (12, 13)
    assert answer["oldest"] <= time.time()
