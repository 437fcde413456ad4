"""What an operator does to a running stream: the breaker, skipping a record, dead letters that do not fit."""

import asyncio
import hashlib
import json
import re
import subprocess
import sys

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from consumer.kafka.admin import admin_client
from tests.rig import Member, Outcome, Rig, submission, wait_for

pytestmark = pytest.mark.kafka


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store):
    return Rig.make(
        tmp_path,
        apache_kafka.bootstrap,
        weed_store,
        partitions=2,
        delivery="exactly_once",
        breaker={"failures": 5, "window": 20},
    )


def advet(rig: Rig, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "consumer", *arguments, "--config", str(rig.config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def admin_port(member: Member) -> str:
    return str(wait_for(lambda: re.search(r'"name": "admin", .*"port": (\d+)', member.log.read_text()), member)[1])


def reasons(outcomes: list[Outcome]) -> list[str]:
    return sorted(str(outcome.reason) for outcome in outcomes if outcome.reason)


def test_a_bad_deploy_opens_the_breaker_and_a_good_one_loses_nothing(rig):
    """Every item fails: a few dead letters at most, unready, offsets uncommitted; then all the rest is judged."""
    sent = rig.produce(submission(n, text={"title": "poison"}) for n in range(60))
    with rig.member("failing", "0", wait=False) as member:  # it may never be seen ready
        member.wait_port()
        wait_for(lambda: member.metric("advet_breaker_open") == 1, member)
        wait_for(lambda: "breaker" in member.paused(), member)
        assert member.get("/livez")[0] == 200
        assert member.get("/readyz")[0] == 503
        bad = rig.collect(60, seconds=2)
        assert len(bad) < 5
        assert set(reasons(bad)) <= {"internal_error"}
        reset = advet(rig, "breaker", "reset", "--admin-port", admin_port(member), "--json")
        assert json.loads(reset.stdout) == {"was_open": True}
        wait_for(lambda: "open" in member.log.read_text().split("breaker_reset")[1], member)
        member.process.kill()
    with rig.member("fixed", "0") as member:
        outcomes = rig.collect(60, member=member)
        assert member.terminate() == 0
    assert sorted(outcome.origin for outcome in outcomes) == sorted(sent)
    assert len(reasons(outcomes)) < 10


def test_faults_of_submissions_do_not_open_the_breaker(rig):
    rig.produce([b"garbage"] * 100)
    with rig.member("fixed", "0") as member:
        assert reasons(rig.collect(100, member=member)) == ["submission_invalid"] * 100
        assert member.metric("advet_breaker_open") == 0
        assert member.get("/readyz")[0] == 200
        assert member.terminate() == 0


def test_the_owner_skips_a_record_that_hangs(rig):
    """The record is being judged; skipping it ends that, and the others are not touched."""
    sent = rig.produce(submission(n) for n in range(6))
    partition, offset = sent[3]
    with rig.member("fixed", "8") as member:
        wait_for(lambda: member.metric("advet_in_flight_records") == 6, member)
        coordinates = (rig.settings.topics.submissions, str(partition), str(offset))
        asked = ("skip", *coordinates, "--reason", "known bad", "--admin-port", admin_port(member))
        skipped = advet(rig, *asked)
        assert skipped.returncode == 0, skipped.stderr
        [letter] = rig.collect(1, member=member)
        assert letter.origin == (partition, offset)
        assert letter.reason == "skipped_by_operator"
        assert dict(letter.headers)["__dlq.errors.message"] == b"known bad"
        again = advet(rig, *asked)
        assert again.returncode == 1
        assert "has its verdict or dead letter already" in again.stderr
        outcomes = rig.collect(6, member=member)
        assert member.terminate() == 0
    assert sorted(outcome.origin for outcome in outcomes) == sorted(sent)


def test_a_record_is_skipped_without_an_owner_but_never_under_one(rig):
    sent = rig.produce(submission(n) for n in range(6))
    partition, offset = sent[-1]
    topic = rig.settings.topics.submissions
    skip = ("skip", topic, str(partition), str(offset), "--reason", "known bad")
    nowhere = ("--admin-port", "1")
    with rig.member("fixed", "60") as member:
        wait_for(lambda: member.metric("advet_in_flight_records") == 6, member)
        refused = advet(rig, *skip, *nowhere)
        assert refused.returncode == 1
        assert "has members" in refused.stderr
        assert member.terminate() == 0
    done = advet(rig, *skip, *nowhere, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["by"] == "takeover"
    assert "already" in advet(rig, *skip, *nowhere).stderr
    with rig.member("fixed", "0") as member:
        outcomes = rig.collect(6, member=member)
        assert member.terminate() == 0
    assert sorted(outcome.origin for outcome in outcomes) == sorted(sent)
    assert [o.origin for o in outcomes if o.reason == "skipped_by_operator"] == [(partition, offset)]


def test_the_largest_record_that_the_input_takes_fits_with_its_facts(rig):
    """Nearly 1 MiB of value and headers: the dead letter is larger than that, and its topic takes it whole."""
    headers = [(f"h{n}", b"x" * 1000) for n in range(70)]
    value = b"x" * (1_048_576 - 72_000)
    [origin] = rig.produce([(value, b"k", headers)])
    with rig.member("fixed", "0") as member:
        [letter] = rig.collect(1, member=member)
        assert member.metric("advet_claims_total") == 0
        assert member.terminate() == 0
    assert (letter.origin, letter.reason, letter.value) == (origin, "submission_invalid", value)
    assert letter.headers[:70] == headers


def test_a_dead_letter_that_does_not_fit_leaves_its_value_in_storage(rig, s3):
    """The input takes more than `kafka.max_record_bytes` says: bucket, key and sha256 stand in for the value."""

    async def raise_limit() -> None:
        async with admin_client(rig.settings.kafka) as admin:
            limit, topic = {"max.message.bytes": str(3 * 1024 * 1024)}, rig.settings.topics.submissions
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])

    asyncio.run(raise_limit())
    value = b"x" * 1_800_000
    [origin] = rig.produce([(value, b"k", [("h", b"1")])])
    with rig.member("fixed", "0") as member:
        [letter] = rig.collect(1, member=member)
        assert member.metric("advet_claims_total") == 1
        assert member.terminate() == 0
    assert (letter.origin, letter.reason, letter.key, letter.value) == (origin, "submission_invalid", b"k", b"")
    facts = dict(letter.headers)
    assert facts["h"] == b"1"
    claim = json.loads(facts["advet-claim"])
    assert claim["sha256"] == hashlib.sha256(value).hexdigest()
    assert s3.get_object(Bucket=claim["bucket"], Key=claim["key"])["Body"].read() == value
