"""The pause is real: a slow engine and a long queue leave memory flat and the member in its group."""

import time

import pytest

from tests.rig import Rig, submission, wait_for

WAITING = 10_000


@pytest.fixture
def rig(tmp_path, embedded_broker, weed_store):
    return Rig.make(
        tmp_path,
        embedded_broker.bootstrap,
        weed_store,
        kafka={"session_timeout_seconds": 6},
        flow={"max_records": 32, "max_bytes": 8 * 1024 * 1024, "drain_seconds": 4},
    )


def test_a_slow_engine_pauses_partitions_and_memory_stays_flat(rig):
    """Records and bytes in flight keep their bounds, the member is never evicted, pauses come and go."""
    rig.produce(submission(n, text={"title": f"{n}", "body": "长" * 500}) for n in range(WAITING))
    with rig.member("fixed", "0.5") as member:
        samples = []
        pauses = set()
        wait_for(lambda: member.metric("advet_verdicts_total") > 64, member)
        ends = time.monotonic() + 12
        while time.monotonic() < ends:
            samples.append(
                (member.metric("advet_in_flight_records"), member.metric("advet_in_flight_bytes"), member.rss_bytes())
            )
            pauses |= member.paused()
        records, held, rss = zip(*samples, strict=True)
        assert max(records) <= 32
        assert member.metric("advet_verdicts_total") > 64 + 32, "a pause has ended, and another, too"
        assert max(held) <= 8 * 1024 * 1024
        assert "records" in pauses
        assert max(rss) - rss[0] < 32 * 1024 * 1024
        assert member.metric("advet_rebalances_total") == 1, "the member was evicted and assigned again"
        assert member.metric("advet_records_total") < WAITING / 2
        assert member.get("/readyz")[0] == 200, "paused is ready"
        assert member.terminate() == 0


def test_an_engine_without_room_pauses_with_its_reason_and_goes_on(rig, tmp_path):
    gate = tmp_path / "full"
    gate.touch()
    with rig.member("busy", str(gate)) as member:
        wait_for(lambda: "gpu_memory" in member.paused(), member)
        rig.produce(submission(n) for n in range(50))
        assert member.metric("advet_records_total") == 0
        assert member.get("/livez")[0] == 200
        assert member.get("/readyz")[0] == 200
        gate.unlink()
        assert len(rig.collect(50, member=member)) == 50
        assert "gpu_memory" not in member.paused()
        assert member.terminate() == 0


def test_bytes_in_flight_pause_before_records_do(rig):
    """30 records of 900 KB do not fit into 8 MiB at once."""
    rig.produce(submission(n, text={"title": f"{n}", "body": "x" * 900_000}) for n in range(30))
    with rig.member("fixed", "0.2") as member:
        held = []

        def all_judged():
            held.append(member.metric("advet_in_flight_bytes"))
            return member.metric("advet_verdicts_total") == 30

        wait_for(all_judged, member)
        assert max(held) <= 8 * 1024 * 1024
        assert max(held) > 2 * 1024 * 1024
        assert member.terminate() == 0


@pytest.mark.kafka
def test_outcomes_that_keep_others_from_being_read_leave_before_their_time(tmp_path, apache_kafka, weed_store):
    """A pause between transactions that is longer than the test: only what is judged can make room for the rest."""
    rig = Rig.make(
        tmp_path,
        apache_kafka.bootstrap,
        weed_store,
        delivery="exactly_once",
        flow={"max_records": 8, "publish_seconds": 10, "drain_seconds": 4},
    )
    rig.produce(submission(n) for n in range(400))
    with rig.member("fixed", "0") as member:
        assert len(rig.collect(400, member=member)) == 400
        assert member.metric("advet_transactions_total") >= 400 / (2 * 8)
        assert member.terminate() == 0
