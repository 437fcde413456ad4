"""What running consumers report, and replays that go by it."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from schemas import Reason
from schemas.consumer_report import ConsumerReport
from tests.letters import make_letter, oom, put, read_all, send
from tests.pipeline.test_replay import answer, dlq, replay, resubmitted
from tests.rig import Rig, wait_for

pytestmark = pytest.mark.kafka


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store):
    return Rig.make(tmp_path, apache_kafka.bootstrap, weed_store, partitions=2, delivery="exactly_once")


def reports(rig: Rig) -> dict[bytes, ConsumerReport | None]:
    """Key → the last report; None is a tombstone."""
    records = read_all(rig.settings.kafka.bootstrap, rig.settings.topics.consumers)
    return {r.key: None if r.value is None else ConsumerReport.model_validate_json(r.value) for r in records}


def free_bytes(rig: Rig) -> list[int]:
    return [r.capacity.free_bytes for r in reports(rig).values() if r is not None and r.capacity is not None]


def memory_letters(rig: Rig):
    """A price of 1,000 + 10 for each visual token + 200 of text: 2,200 to 10,201,200 bytes."""
    return [
        make_letter(rig.settings, n, Reason.OOM_EXHAUSTED, oom=oom(visual_tokens=tokens))
        for n, tokens in enumerate((100, 1_000, 10_000, 100_000, 1_020_000))
    ]


def test_the_plan_follows_the_memory_that_a_running_consumer_reports(rig, tmp_path):
    """More free memory, more letters; the consumer that leaves takes its report with it."""
    send(rig.settings, [*memory_letters(rig), make_letter(rig.settings, 9, Reason.WORKER_CRASH)])
    free = tmp_path / "free"
    free.write_text("12000")
    refused = dlq(rig, "replay", "--fits", status=1)
    assert "no running consumer" in refused.stderr
    with rig.member("device", str(free)) as member:
        wait_for(lambda: free_bytes(rig) == [12_000], member)
        plan = answer(rig, "replay", "--fits")["plan"]
        assert (plan["letters"], plan["refused"]) == (3, {"does_not_fit": 3})
        assert (plan["largest_price_bytes"], plan["gpu_seconds"]) == (11_200, 1.5)
        free.write_text("1100000")
        wait_for(lambda: free_bytes(rig) == [1_100_000], member)
        plan = answer(rig, "replay", "--fits")["plan"]
        assert (plan["letters"], plan["refused"]) == (5, {"does_not_fit": 1})
        run = replay(rig, "--fits")
        assert (run["resubmitted"], run["refused"], run["fits"]) == (5, {"does_not_fit": 1}, True)
        [report] = [r for r in reports(rig).values() if r is not None]
        assert (report.group, report.input) == (rig.settings.kafka.group, rig.settings.topics.submissions)
        assert member.terminate() == 0
    assert list(reports(rig).values()) == [None]


def test_a_consumer_that_died_reports_nothing(rig):
    """Its last report stays in the topic, and grows old."""
    send(rig.settings, memory_letters(rig))
    report = {
        "group": "g", "member": "m", "input": rig.settings.topics.submissions,
        "engine": {"name": "t", "model": "t", "revision": "1"}, "policy_version": "1",
        "capacity": {"device": "d", "total_bytes": 2**30, "free_bytes": 2**30, "price": {
            "fixed_bytes": 0, "visual_token_bytes": 1, "text_token_bytes": 1}},
        "started_at": "2026-03-02T09:00:00Z", "reported_at": "2026-03-02T09:00:00Z", "interval_seconds": 5,
    }  # fmt: skip
    put(rig.settings, rig.settings.topics.consumers, [(b"g/m", json.dumps(report).encode())])
    assert "no running consumer" in dlq(rig, "replay", "--fits", status=1).stderr
    assert answer(rig, "replay")["plan"]["letters"] == 5


def test_a_replayed_ad_is_judged_and_its_verdict_links_back(rig):
    """The whole circle: a letter, a replay, a verdict; the next plan leaves the ad alone."""
    send(rig.settings, [make_letter(rig.settings, 7)])
    assert replay(rig)["resubmitted"] == 1
    with rig.member("fixed", "0") as member:
        [outcome] = [o for o in rig.collect(2, member=member) if o.topic.startswith("verdicts")]
        assert member.terminate() == 0
    verdict = json.loads(outcome.value)
    assert verdict["replay_of"] == {"topic": rig.settings.topics.submissions, "partition": 0, "offset": 7}
    send(rig.settings, [make_letter(rig.settings, 7)])
    assert answer(rig, "replay")["plan"]["refused"] == {"already_replayed": 1, "judged": 1}


def test_a_replayed_ad_that_fails_again_knows_its_run(rig):
    """The count rises, the run is named, and the guard knows on which judge it failed before."""
    bad = {"text": {"title": "poison"}}
    send(rig.settings, [make_letter(rig.settings, 1, event=bad, engine="none", policy_version="0")])
    run = replay(rig)
    with rig.member("failing", "0") as member:
        wait_for(lambda: answer(rig, "ls", "--replay-count", "1")["letters"] == 1, member)
        assert member.terminate() == 0
    [again] = answer(rig, "ls", "--replay-count", "1")["newest"]
    assert again["dead_letter"]["run_id"] == run["run_id"]
    assert re.match(r"\d{4}-", again["dead_letter"]["recorded_at"])
    assert answer(rig, "replay")["plan"]["refused"] == {"already_replayed": 1, "same_judge": 1}
    assert replay(rig, "--force")["resubmitted"] == 1
    [first, second] = resubmitted(rig)
    headers = [dict(record.headers) for record in (first, second)]
    assert [h["advet-replay-count"] for h in headers] == [b"1", b"2"]
    assert headers[0]["advet-original-timestamp"] == headers[1]["advet-original-timestamp"]
    assert len(second.headers) <= len(first.headers)


def test_the_live_stream_goes_first(rig):
    """With --yield-to-lag nothing is sent while an older record waits, and SIGTERM ends the wait."""
    send(rig.settings, [make_letter(rig.settings, n) for n in range(5)])
    an_hour_ago_ms = round(time.time() - 3600) * 1000
    put(rig.settings, rig.settings.topics.submissions, [(b"live", b"{}")], an_hour_ago_ms)
    assert answer(rig, "replay", "--yield-to-lag", "1")["plan"]["letters"] == 5
    command = [sys.executable, "-m", "consumer", "dlq", "replay", "--execute", "--reason", "x", "--yield-to-lag", "1"]
    process = subprocess.Popen([*command, "--config", str(rig.config)], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "waiting" in line:
            break
    assert [r.key for r in resubmitted(rig)] == [b"live"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    process.stderr.close()
