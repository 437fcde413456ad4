"""`advet report` after the demo's load: from the consumer's samples and from a real Prometheus, in a real browser."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.check import Check
from consumer.demo.runner import demo_stack, judge_everything
from consumer.report.fetch import Address
from consumer.report.panels import picture
from consumer.report.ring import RingSource
from tests.browser import show
from tests.prometheus import Prometheus
from tests.rig import wait_for

DEADLINE_SECONDS = 600
FASTER = 15.0
"""Scrapes every second instead of every fifteen."""
PICTURES = {
    "age_seconds", "lag_records", "rate", "total_seconds", "stage_p99_seconds", "stage_p50_seconds", "verdicts",
    "dead_letters", "memory_bytes", "events", "stall_seconds",
}  # fmt: skip
"""What must be drawn after the demo's load; nothing was paused by a reason, and there is no card."""


@dataclass(frozen=True)
class Scene:
    """What was judged, and the reports of it: by source, the page and the same as JSON."""

    judged: Check
    folder: Path
    reports: Mapping[str, dict[str, Any]]
    too_early: subprocess.CompletedProcess[str]

    def page(self, source: str) -> Path:
        return self.folder / f"{source}.html"


def advet(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ADVET_")}
    return subprocess.run(
        [sys.executable, "-m", "consumer", *arguments],
        capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False, env=environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("report")
    with Prometheus.running(folder / "prometheus", FASTER) as prometheus:
        yield asyncio.run(_play(folder, prometheus))


async def _play(folder: Path, prometheus: Prometheus) -> Scene:
    async with demo_stack("embedded") as demo:
        prometheus.scrape("advet", [demo.http_port])
        judged = await judge_everything(demo, DEADLINE_SECONDS, lambda *_: None)
        outcomes = len(judged.seen)
        counted = "sum(advet_verdicts_total) + sum(advet_dead_letters_total)"
        await asyncio.to_thread(wait_for, lambda: [value for _, value in prometheus.now(counted)] == [outcomes])
        await asyncio.to_thread(
            wait_for, lambda: [value for _, value in prometheus.now("sum(advet_lag_records)")] == [0]
        )
        await asyncio.to_thread(wait_for, lambda: at_rest(f"http://127.0.0.1:{demo.http_port}"))
        sources = {
            "ring": ("--consumer", f"http://127.0.0.1:{demo.http_port}"),
            "prometheus": ("--prometheus", prometheus.url),
        }
        reports = {}
        for source, flags in sources.items():
            written = await asyncio.to_thread(advet, "report", *flags, "--out", str(folder / f"{source}.html"))
            assert written.returncode == 0, written.stderr
            asked = await asyncio.to_thread(advet, "report", *flags, "--from", "-10m", "--json")
            assert asked.returncode == 0, asked.stderr
            reports[source] = json.loads(asked.stdout)
            assert written.stdout.strip()
        early = ("--from", "-3h", "--to", "-2h", "--out", str(folder / "early.html"))
        too_early = await asyncio.to_thread(advet, "report", "--prometheus", prometheus.url, *early)
        return Scene(judged, folder, reports, too_early)


def stands_at(prometheus: Prometheus, asked: str, value: float) -> bool:
    return [found for _, found in prometheus.now(asked)] == [value]


def at_rest(url: str) -> bool:
    """Whether the consumer's last sample says that nothing is left."""
    now = datetime.now(UTC)
    return picture(RingSource([Address(url)], now - timedelta(minutes=1), now)).ends["lag_records"] == 0


@pytest.fixture(params=["ring", "prometheus"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def amounts(report: Mapping[str, Any], panel: str) -> dict[str, int]:
    """What was counted in all, by name."""
    series = report["panels"][panel]["series"]
    return {name: round(sum(value or 0 for value in values)) for name, values in series.items()}


def test_every_verdict_and_dead_letter_is_counted(scene: Scene, source: str) -> None:
    facts = scene.judged.summary()
    report = scene.reports[source]
    assert amounts(report, "verdicts") == {str(name): number for name, number in facts["by_decision"].items()}
    assert amounts(report, "dead_letters") == {str(name): number for name, number in facts["by_reason"].items()}
    assert f"{facts['dead_letters']} dead letters in" in report["summary"]


def test_both_sources_tell_the_same(scene: Scene) -> None:
    ring, prometheus = scene.reports["ring"], scene.reports["prometheus"]
    assert amounts(ring, "events")["rebalances"] == amounts(prometheus, "events")["rebalances"] >= 1
    figures = [{fact["title"]: fact["figure"] for fact in report["figures"]} for report in (ring, prometheus)]
    assert figures[0]["Ads still to judge"] == "0"
    for title in ("Oldest unfinished ad", "Ads still to judge", "Verdicts", "Dead letters", "Workers lost"):
        assert figures[0][title] == figures[1][title]
    for report in (ring, prometheus):
        series = report["panels"]["total_seconds"]["series"]
        assert max(value or 0 for value in series["99 %"]) >= max(value or 0 for value in series["median"]) > 0
        resident = [series for name, series in report["panels"]["memory_bytes"]["series"].items() if "process" in name]
        assert max(value or 0 for value in resident[0]) > 50 * 1024 * 1024
        assert {"ocr", "decode", "fetch", "publish"} <= report["panels"]["stage_p99_seconds"]["series"].keys()


def test_the_page_is_drawn_in_a_browser_and_asks_the_network_for_nothing(
    scene: Scene, source: str, tmp_path: Path
) -> None:
    shown = show(scene.page(source), tmp_path)
    assert (shown.requests, shown.console) == ((), ())
    document = shown.document
    charts = r'<div class="chart js-plotly-plot" id="(\w+)"(.*?)</figure>'
    drawn = dict(re.findall(charts, document, re.DOTALL))
    assert drawn.keys() >= PICTURES
    for name, content in drawn.items():
        assert re.search(r'class="(?:trace scatter|trace bars|point)', content), f"{name} shows nothing"
    assert f'data-drawn="{len(drawn)}"' in document
    summary = re.search(r'<p class="sentence">(.*?)</p>', document)
    assert summary is not None
    assert "dead letters in" in summary[1]
    assert "p99" in summary[1]


def test_without_a_consumer_it_says_what_to_do(work: Path) -> None:
    refused = advet("report", "--consumer", "http://127.0.0.1:1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "does a consumer run there" in refused.stderr
    assert list(work.iterdir()) == []


def test_a_time_that_prometheus_did_not_see_is_refused(scene: Scene) -> None:
    assert (scene.too_early.returncode, scene.too_early.stdout) == (1, "")
    assert "has no sample of advet in this time" in scene.too_early.stderr
