"""An incident, with a real Prometheus and real consumers: alerts fire for their causes and clear with the remedy.

An hour takes a minute. The causes are real: launches that run out of memory on an arena of 1 GiB, a neighbour that
takes all of it, processes that are killed. Only the judges that fail on everything and never answer are made for it.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gpu.conftest import tiny_folder  # noqa: F401 - a fixture
from tests.monitored import ARENA_BYTES, GPU, Card, lag_exporter, workers
from tests.prometheus import Prometheus
from tests.rig import DEADLINE_SECONDS, Member, Rig, submission, wait_for

pytestmark = pytest.mark.kafka
FACTOR = 60
ALERT_SECONDS = 60.0
"""In which an alert fires or clears; most look back over 15 minutes at the longest."""
SLOW = {"AdvetAgeBurns", "AdvetAgeBurnsSlowly"}
"""Remember for six hours and three days, which are minutes here as well."""


class Watch:
    """A stream and the Prometheus that watches it."""

    def __init__(self, rig: Rig, prometheus: Prometheus, card: Card) -> None:
        self.rig = rig
        self.card = card
        self._prometheus = prometheus
        self._sent = 0

    @contextmanager
    def member(self, *engine: str) -> Iterator[Member]:
        """A consumer that is scraped, and killed at the end."""
        with self.rig.member(*engine, wait=False) as member:
            self._prometheus.scrape("advet", [member.wait_port()])
            yield member

    def send(self, ads: int) -> None:
        """So many fresh ads."""
        self.rig.produce(submission(self._sent + number) for number in range(ads))
        self._sent += ads

    def fires(self, alert: str, member: Member | None = None) -> None:
        """Waits for it."""
        wait_for(lambda: alert in self._prometheus.firing(), member, ALERT_SECONDS)

    def clears(self, alert: str, member: Member | None = None) -> None:
        """Waits until it is over."""
        wait_for(lambda: alert not in self._prometheus.firing(), member, ALERT_SECONDS)

    def quiet(self, member: Member) -> None:
        """Waits until nothing fires but what remembers for hours."""
        seen: list[set[str]] = []

        def nothing_fires() -> bool:
            seen.append(self._prometheus.firing() - SLOW)
            return not seen[-1]

        try:
            wait_for(nothing_fires, member, ALERT_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"these still fire: {seen[-1]}") from error


@pytest.fixture
def watch(tmp_path, apache_kafka, weed_store, tiny_folder, monkeypatch) -> Iterator[Watch]:  # noqa: F811
    rig = Rig.make(
        tmp_path,
        apache_kafka.bootstrap,
        weed_store,
        partitions=2,
        delivery="exactly_once",
        engine={"name": "gpu"},
        gpu=GPU | {"model": str(tiny_folder), "device": "cpu"},
        breaker={"failures": 3, "window": 20},
        lag={"interval_seconds": 0.5},
    )
    with Prometheus.running(tmp_path / "prometheus", FACTOR) as prometheus, lag_exporter(rig) as port:
        prometheus.scrape("advet-lag", [port])
        yield Watch(rig, prometheus, Card.make(tmp_path, monkeypatch))


def test_shortages_and_lost_processes(watch: Watch) -> None:
    with watch.member("arena", "-") as member:
        member.wait_ready(10 * DEADLINE_SECONDS)
        watch.send(4)
        wait_for(lambda: member.metric("advet_verdicts_total") == 4, member)
        watch.quiet(member)

        watch.card.run_out(100)  # far more than the ladder has rungs
        watch.send(1)
        watch.fires("AdvetOomDeadLetters", member)
        watch.card.run_out(0)
        watch.clears("AdvetOomDeadLetters", member)

        for lost in range(1, 4):
            [worker] = wait_for(lambda: workers(member.process.pid, "consumer.inference.preparer"), member)
            os.kill(worker, signal.SIGKILL)
            watch.send(1)
            crashes = 'advet_worker_crashes_total\\{pool="preparer"\\}'
            wait_for(lambda lost=lost, name=crashes: count_of(member, name) == lost, member)
        watch.fires("AdvetWorkerRestarts", member)
        watch.clears("AdvetWorkerRestarts", member)

        watch.card.occupy(ARENA_BYTES)
        watch.send(4)
        watch.fires("AdvetPausedForMemory", member)
        watch.card.occupy(0)
        watch.clears("AdvetPausedForMemory", member)
        watch.quiet(member)
        assert member.terminate() == 0
        watch.fires("AdvetNoData")


def count_of(member: Member, name: str) -> float:
    """Value of one series."""
    found = re.search(rf"^{name} (\S+)$", member.get("/metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0


def test_the_breaker_and_a_standstill(watch: Watch, tmp_path: Path) -> None:
    gate = tmp_path / "broken"
    gate.touch()
    with watch.member("broken", str(gate)) as member:
        watch.send(20)
        watch.fires("AdvetBreakerOpen", member)
        gate.unlink()
        port = wait_for(lambda: re.search(r'"name": "admin", .*"port": (\d+)', member.log.read_text()), member)[1]
        reset = [sys.executable, "-m", "consumer", "breaker", "reset", "--admin-port", port]
        subprocess.run([*reset, "--config", str(watch.rig.config)], check=True, timeout=60, capture_output=True)
        watch.clears("AdvetBreakerOpen", member)
        watch.quiet(member)
    with watch.member("fixed", "3600") as member:  # its judge never answers
        watch.send(8)
        watch.fires("AdvetStalled", member)
        watch.fires("AdvetAgeBurnsFast", member)
    with watch.member("fixed", "0") as member:
        watch.clears("AdvetStalled", member)
        watch.clears("AdvetAgeBurnsFast", member)
        watch.quiet(member)
        assert member.terminate() == 0
