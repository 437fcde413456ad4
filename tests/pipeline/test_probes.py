"""Probes while the brokers are gone: live all the time, not ready soon after, and ready again when they are back."""

import asyncio
import os
import signal

import pytest

from consumer.kafka.hearing import heartbeat_seconds
from consumer.local.apache_kafka import KafkaCluster
from tests.conftest import started
from tests.rig import Rig, submission, wait_for

ROOM_SECONDS = 10.0
"""For a machine that does other things as well."""


@pytest.fixture
def mortal_kafka(tmp_path_factory):
    """A node for one test."""
    cluster = started(lambda: KafkaCluster.start(tmp_path_factory.mktemp("mortal")))
    yield cluster
    cluster.kill_all()


@pytest.mark.kafka
def test_readiness_falls_when_the_broker_dies_and_comes_back_with_it(mortal_kafka, weed_store, tmp_path):
    """Also without traffic; liveness and metrics stay. Judged ads that wait for the broker are published once."""
    rig = Rig.make(tmp_path, mortal_kafka.bootstrap, weed_store, partitions=2, delivery="exactly_once")
    session_seconds = rig.settings.kafka.session_timeout_seconds
    hold = tmp_path / "hold"
    hold.touch()
    with rig.member("observed", str(tmp_path)) as member:
        assert [member.get(path)[0] for path in ("/livez", "/startupz", "/readyz")] == [200, 200, 200]
        sent = rig.produce(submission(n, text={"title": "hold"}) for n in range(6))
        wait_for(lambda: member.metric("advet_in_flight_records") == 6, member)
        mortal_kafka.nodes[0].kill()
        limit_seconds = session_seconds + heartbeat_seconds(session_seconds) + ROOM_SECONDS
        wait_for(lambda: member.get("/readyz")[0] == 503, member, limit_seconds)
        assert [member.get(path)[0] for path in ("/livez", "/startupz")] == [200, 200]
        hold.unlink()
        wait_for(lambda: member.metric("advet_transactions_lost_total") >= 1, member)
        assert member.get("/livez")[0] == 200
        asyncio.run(mortal_kafka.restart(1))
        wait_for(lambda: member.get("/readyz")[0] == 200, member)
        outcomes = rig.collect(6, member=member)
        assert sorted(one.origin for one in outcomes) == sorted(sent)
        assert member.terminate() == 0


def test_publishes_without_transactions_wait_for_the_broker(tmp_path, embedded_broker, weed_store):
    rig = Rig.make(tmp_path, embedded_broker.bootstrap, weed_store, kafka={"request_timeout_seconds": 1})
    hold = tmp_path / "hold"
    hold.touch()
    with rig.member("observed", str(tmp_path)) as member:
        rig.produce(submission(n, text={"title": "hold"}) for n in range(3))
        wait_for(lambda: member.metric("advet_in_flight_records") == 3, member)
        os.kill(embedded_broker.child.pid, signal.SIGSTOP)
        try:
            hold.unlink()
            wait_for(lambda: member.metric("advet_publish_retries_total") >= 1, member)
            assert member.get("/livez")[0] == 200
        finally:
            os.kill(embedded_broker.child.pid, signal.SIGCONT)
        assert {one.reason for one in rig.collect(3, member=member)} == {None}
        assert member.terminate() == 0
