"""Every panel of every dashboard and every rule has data, after the demo's ads, in a real Prometheus.

The consumer is the real one with the GPU judge on an arena of 1 GiB, which counts the bytes of a tiny model on the CPU:
so the panels of the card have data as well.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from consumer.demo.runner import submissions
from consumer.submit import submit
from tests.gpu.conftest import tiny_folder  # noqa: F401 - a fixture
from tests.monitored import GPU, Card, half_a_replay, lag_exporter
from tests.prometheus import Prometheus, panels, rules, selectors
from tests.rig import DEADLINE_SECONDS, Rig, wait_for

pytestmark = pytest.mark.kafka
FACTOR = 30
EVERY = 6
"""Of the well-formed ads; the broken ones all."""
BY_ACCIDENT = {
    "advet_attempts_total": "a process died in the middle of a judgement, as in tests/gpu/test_stream.py",
    "advet_partition_paused": "a pause that lasts, as in tests/faults/test_incident.py",
    'ALERTS{alertname=~"Advet.+", alertstate="firing", severity="page"}': "an incident, as there",
}
"""Series that a good day does not have, and what brings them."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory, apache_kafka, weed_store, tiny_folder) -> Iterator[tuple[Prometheus, Rig]]:  # noqa: F811
    """Prometheus and the stream it has watched: everything is judged, one replay waits half done."""
    folder = tmp_path_factory.mktemp("watched")
    rig = Rig.make(
        folder,
        apache_kafka.bootstrap,
        weed_store,
        delivery="exactly_once",
        engine={"name": "gpu"},
        gpu=GPU | {"model": str(tiny_folder), "device": "cpu"},
        ocr={"max_side": 640},
        flow={"max_records": 8},
        lag={"interval_seconds": 0.5},
    )
    ads = submissions(datetime.now(UTC))
    broken = [ad for ad in ads if ad.submission.submission_id.startswith("broken")]
    chosen = [*broken, *[ad for ad in ads if ad not in broken][::EVERY]]
    with (
        pytest.MonkeyPatch.context() as environment,
        Prometheus.running(folder / "prometheus", FACTOR) as prometheus,
        lag_exporter(rig) as lag,
    ):
        card = Card.make(folder, environment)
        with rig.member("arena", "-", wait=False) as member:
            member.wait_ready(10 * DEADLINE_SECONDS)
            prometheus.scrape("advet", [member.port])
            prometheus.scrape("advet-lag", [lag])
            wait_for(lambda: prometheus.now("sum(up) == 2"))
            card.run_out(1)
            asyncio.run(submit(rig.settings, chosen, lambda _ad: None))
            rig.collect(len(chosen), 5 * DEADLINE_SECONDS, member)
            with half_a_replay(rig):
                wait_for(lambda: prometheus.since_start("advet_replay_letters"), member)
                wait_for(lambda: prometheus.since_start('ALERTS{alertname="AdvetDeadLetters"}'), member)
            yield prometheus, rig
            assert member.terminate() == 0


def filled(query: str, rig: Rig) -> str:
    """As Grafana fills variables in, with all consumers chosen."""
    values = {"$group": rig.settings.kafka.group, "$instance": ".+", "$__rate_interval": "10s"}
    for variable, value in values.items():
        query = query.replace(variable, value)
    return query


@pytest.mark.parametrize(("title", "queries"), panels(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_panel_has_data(title, queries, watched) -> None:
    prometheus, rig = watched
    for query in queries:
        assert prometheus.since_start(filled(query, rig)), f"{title}: {query}"


def test_every_series_that_panels_and_rules_read_has_data(watched) -> None:
    """So that no panel shows the 0 of an `or` for a series that nobody exports."""
    prometheus, rig = watched
    read = {selector for _title, queries in panels() for query in queries for selector in selectors(query)}
    read |= {selector for rule in rules() for selector in selectors(rule["expr"])}
    read = {selector for selector in read if not selector.startswith(tuple(BY_ACCIDENT))}
    silent = {selector for selector in read if not prometheus.since_start(filled(selector, rig))}
    assert silent == set()


def test_every_rule_can_be_evaluated(watched) -> None:
    prometheus, _rig = watched
    assert prometheus.ill() == {}
