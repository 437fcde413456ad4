"""SIGTERM and crashes: nothing is lost, offsets say what was finished."""

import json
import signal
import time
from collections import Counter

import pytest

from tests.rig import Rig, submission, wait_for


@pytest.fixture
def rig(tmp_path, embedded_broker, weed_store):
    return Rig.make(
        tmp_path,
        embedded_broker.bootstrap,
        weed_store,
        kafka={"session_timeout_seconds": 6},
        flow={"max_records": 40, "drain_seconds": 5},
    )


def test_sigterm_finishes_what_is_in_flight_and_commits_it(rig):
    """40 in flight, 160 waiting: the 40 get their verdicts, the offsets say so, the next member does the rest."""
    sent = rig.produce(submission(n) for n in range(200))
    with rig.member("fixed", "1.5") as member:
        wait_for(lambda: member.metric("advet_in_flight_records") >= 20, member)
        started = time.monotonic()
        assert member.terminate() == 0
        assert time.monotonic() - started < 5
    done = rig.collect(200, seconds=3)
    assert 20 <= len(done) <= 120
    assert len({outcome.origin for outcome in done}) == len(done)
    committed = [offset or 0 for offset in rig.committed(range(4))]
    finished = Counter(partition for partition, _ in (outcome.origin for outcome in done))
    assert {p: n for p, n in enumerate(committed) if n} == dict(finished)
    with rig.member("fixed", "0") as member:
        everything = rig.collect(200, member=member)
        assert member.terminate() == 0
    assert Counter(outcome.origin for outcome in everything) == Counter(sent)
    assert sum(rig.committed(range(4))) == 200


def test_items_that_outlast_the_drain_are_judged_by_the_next_member(rig):
    sent = rig.produce(submission(n) for n in range(30))
    with rig.member("fixed", "60") as member:
        wait_for(lambda: member.metric("advet_in_flight_records") == 30, member)
        started = time.monotonic()
        assert member.terminate() == 0
        assert time.monotonic() - started < 10
    assert rig.collect(1, seconds=1) == []
    with rig.member("fixed", "0") as member:
        assert Counter(o.origin for o in rig.collect(30, member=member)) == Counter(sent)


def test_kill_9_loses_nothing(rig):
    """At least once: what was not committed is judged again, with the same verdict id."""
    sent = rig.produce(submission(n) for n in range(300))
    with rig.member("fixed", "0.05") as member:
        wait_for(lambda: member.metric("advet_verdicts_total") > 60, member)
        member.process.send_signal(signal.SIGKILL)
        member.process.wait()
    with rig.member("fixed", "0.01") as member:
        wait_for(lambda: sum(offset or 0 for offset in rig.committed(range(4))) == 300, member)
        assert member.terminate() == 0
    outcomes = rig.collect(300)
    assert {outcome.origin for outcome in outcomes} == set(sent)
    ids: dict = {}
    for outcome in outcomes:
        verdict = json.loads(outcome.value)
        assert ids.setdefault(outcome.origin, verdict["verdict_id"]) == verdict["verdict_id"]


def test_members_come_and_go_and_every_record_gets_its_verdict(rig):
    sent = rig.produce(submission(n) for n in range(2000))
    with rig.member("fixed", "0.3") as first:
        wait_for(lambda: first.metric("advet_verdicts_total") > 20, first)
        with rig.member("fixed", "0.3") as second:
            wait_for(lambda: second.metric("advet_verdicts_total") > 100, second)
            assert second.terminate() == 0
        wait_for(lambda: sum(offset or 0 for offset in rig.committed(range(4))) == 2000, first)
        assert first.terminate() == 0
    assert {outcome.origin for outcome in rig.collect(2000)} == set(sent)


def test_verdicts_of_a_key_come_in_the_order_of_the_input(rig):
    rig.produce(submission(n % 5, revision=n // 5) for n in range(100))
    with rig.member("fixed", "0.02") as member:
        outcomes = rig.collect(100, member=member)
    revisions: dict[str, list[int]] = {}
    for outcome in outcomes:
        verdict = json.loads(outcome.value)
        revisions.setdefault(verdict["submission_id"], []).append(verdict["revision"])
    assert revisions == {f"s-{n}": list(range(20)) for n in range(5)}


def test_an_item_that_always_fails_becomes_a_dead_letter_and_stops_nobody(rig):
    """Three attempts, then `internal_error` with the class's name and none of its text."""
    rig.produce(submission(n, text={"title": "poison" if n % 10 == 3 else "ok"}) for n in range(40))
    with rig.member("failing", "0.01") as member:
        outcomes = rig.collect(40, member=member)
        assert member.metric("advet_attempts_total") == 12
        assert member.terminate() == 0
    letters = [outcome for outcome in outcomes if outcome.reason]
    assert len(outcomes) == 40
    assert [letter.reason for letter in letters] == ["internal_error"] * 4
    assert all(dict(letter.headers)["advet-error-class"] == b"ZeroDivisionError" for letter in letters)
    assert all(dict(letter.headers)["advet-attempts"] == b"3" for letter in letters)
    assert "secret detail" not in str([letter.headers for letter in letters])


def test_a_withdrawal_ends_without_output(rig):
    rig.produce([submission(1), (None, b"s-1", []), submission(2)])
    with rig.member("fixed", "0") as member:
        wait_for(lambda: sum(offset or 0 for offset in rig.committed(range(4))) == 3, member)
        assert member.metric("advet_withdrawals_total") == 1
        assert len(rig.collect(2)) == 2


def test_a_start_without_its_topics_or_its_broker_is_refused(rig):
    """Exit status 4 and what to do, instead of a consumer that waits for ever."""
    rig.config.write_text(rig.config.read_text().replace(rig.settings.topics.verdicts, "nonesuch"))
    with rig.member(wait=False) as member:
        assert member.process.wait(30) == 4
        assert "nonesuch: no such topic" in member.log.read_text()
        assert "advet topics apply" in member.log.read_text()
    rig.config.write_text(rig.config.read_text().replace(rig.settings.kafka.bootstrap, "127.0.0.1:1"))
    with rig.member(wait=False) as member:
        assert member.process.wait(30) == 4
        assert "127.0.0.1:1" in member.log.read_text()
        assert "Traceback" not in member.log.read_text()


def test_exactly_once_is_refused_on_a_broker_without_transactions(rig):
    rig.config.write_text(rig.config.read_text().replace("at_least_once", "exactly_once"))
    with rig.member(wait=False) as member:
        assert member.process.wait(40) == 4
        assert "cannot do transactions" in member.log.read_text()
        assert "at_least_once" in member.log.read_text()
