"""Reports from consumers' own samples, over HTTP: exact counts, honest gaps, and what they say about themselves."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from consumer.ops.http import serving
from consumer.ops.samples import Samples, samples_route
from consumer.report.fetch import Address
from consumer.report.panels import Picture, picture
from consumer.report.ring import RingSource
from consumer.report.summary import summarise
from consumer.report.window import ReportRefused
from consumer.settings import SampleSettings

NOW = float(int(time.time()))


class Process:
    """What a consumer would have counted, sampled every 5 s from `began_seconds` ago."""

    def __init__(self, began_seconds: int) -> None:
        self._registry = CollectorRegistry()
        self.records = Counter("advet_records_total", "-", registry=self._registry)
        self.letters = Counter("advet_dead_letters_total", "-", ["reason", "stage"], registry=self._registry)
        self.verdicts = Counter("advet_verdicts_total", "-", ["decision"], registry=self._registry)
        partition = ["group", "topic", "partition"]
        self.age = Gauge("advet_oldest_record_age_seconds", "-", partition, registry=self._registry)
        self.lag = Gauge("advet_lag_records", "-", partition, registry=self._registry)
        self.samples = Samples(SampleSettings())
        self._at = NOW - began_seconds

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.samples.add(self._at, self._registry.collect())
            self._at += 5


def served(processes: list[Process], ask: Callable[[list[Address]], Any]) -> Any:
    """What `ask` returns, given the addresses of these consumers."""

    async def run() -> Any:
        async with contextlib.AsyncExitStack() as running:
            applications = [Starlette(routes=[samples_route(process.samples)]) for process in processes]
            ports = [
                await running.enter_async_context(serving("http", "127.0.0.1", 0, application))
                for application in applications
            ]
            return await asyncio.to_thread(ask, [Address(f"http://127.0.0.1:{port}") for port in ports])

    return asyncio.run(run())


def ago(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW - seconds, UTC)


def shown(processes: list[Process], since_seconds: float, until_seconds: float = 0) -> Picture:
    found = served(processes, lambda at: picture(RingSource(at, ago(since_seconds), ago(until_seconds))))
    assert isinstance(found, Picture)
    return found


def known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def test_counts_are_exact_also_the_first_of_a_reason_and_what_came_before_the_window() -> None:
    process = Process(600)
    process.letters.labels("creative_missing", "fetch").inc(5)
    process.step(60)
    process.letters.labels("creative_missing", "fetch").inc(2)
    process.letters.labels("worker_crash", "judge").inc()
    process.verdicts.labels("approve").inc(7)
    process.step(60)
    series = shown([process], 450)["dead_letters"].series
    assert {name: sum(known(values)) for name, values in series.items()} == {"creative_missing": 2, "worker_crash": 1}
    words = summarise(shown([process], 450), UTC)
    assert "3 dead letters in" in words.sentence
    assert [fact.figure for fact in words.facts if fact.title == "Verdicts"] == ["7"]


def test_two_consumers_add_their_counts_and_share_a_partition_s_lag() -> None:
    one, two = Process(300), Process(300)
    for process, lag, age in ((one, 10, 4), (two, 11, 7)):
        process.lag.labels("g", "ads", "0").set(lag)
        process.age.labels("g", "ads", "0").set(age)
        process.step(30)
        process.verdicts.labels("reject").inc(3)
        process.step(30)
    found = shown([one, two], 290)
    assert sum(known(found["verdicts"].series["reject"])) == 6
    assert set(known(found["lag_records"].series["really remaining"])) == {11}
    assert set(known(found["age_seconds"].series["g ads"])) == {7}
    assert found.consumers == 2


def test_a_peak_between_two_steps_is_seen() -> None:
    process = Process(7200)
    process.step(700)
    process.age.labels("g", "ads", "0").set(99)
    process.step()
    process.age.labels("g", "ads", "0").set(0)
    process.step(739)
    found = shown([process], 7190)
    assert found.window.step_seconds > 5
    assert max(known(found["age_seconds"].series["g ads"])) == 99
    assert "at most 99 s" in next(fact.detail for fact in summarise(found, UTC).facts)


def test_the_window_begins_where_the_samples_do_and_the_report_says_so() -> None:
    process = Process(300)
    process.step(60)
    found = shown([process], 7200)
    assert found.window.step_seconds == 5
    assert 300 <= found.window.seconds <= 310
    words = summarise(found, UTC)
    assert "knows nothing before" in " ".join(words.notes)
    assert "0 dead letters in 5 min" in words.sentence
    assert "Memory of the cards" not in found.missing


def test_a_time_without_samples_is_refused_with_the_time_of_the_oldest() -> None:
    process = Process(300)
    process.step(60)
    with pytest.raises(ReportRefused, match=r"oldest sample is of .*--prometheus"):
        shown([process], 7200, 3600)


def test_where_nothing_listens_it_says_what_to_do() -> None:
    with pytest.raises(ReportRefused, match=r"nothing answers at .*:1 \(Connection refused\).*--prometheus"):
        RingSource([Address("127.0.0.1:1")], ago(60), ago(0))


@pytest.mark.parametrize("answer", [{"status": "ok"}, ["rows"]])
def test_another_server_is_no_consumer(answer: object) -> None:
    async def run() -> None:
        async def tell(_request: Request) -> Response:
            return JSONResponse(answer)

        async with serving("http", "127.0.0.1", 0, Starlette(routes=[Route("/samples", tell)])) as port:
            await asyncio.to_thread(RingSource, [Address(f"127.0.0.1:{port}")], ago(60), ago(0))

    with pytest.raises(ReportRefused, match=r"no consumer of this version|no JSON object"):
        asyncio.run(run())
