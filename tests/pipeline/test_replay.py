"""Dead letters handed in again, on a real broker: what goes, what stays, what is written about it."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from schemas import Reason
from schemas.headers import FACTS
from tests.letters import REASONS, Made, make_letter, of_all_reasons, put, read_all, send
from tests.rig import Rig

pytestmark = pytest.mark.kafka


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store):
    return Rig.make(tmp_path, apache_kafka.bootstrap, weed_store, partitions=2, delivery="exactly_once")


def dlq(rig: Rig, *arguments: str, status: int = 0) -> subprocess.CompletedProcess:
    ran = subprocess.run(
        [sys.executable, "-m", "consumer", "dlq", *arguments, "--config", str(rig.config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == status, (ran.returncode, ran.stdout, ran.stderr)
    return ran


def answer(rig: Rig, *arguments: str, status: int = 0) -> Any:
    return json.loads(dlq(rig, *arguments, "--json", status=status).stdout)


def replay(rig: Rig, *arguments: str, status: int = 0) -> Any:
    ran = answer(rig, "replay", "--execute", "--reason", "the cause is gone", *arguments, status=status)
    assert ran["executed"]
    return ran["run"]


def resubmitted(rig: Rig) -> list:
    return read_all(rig.settings.kafka.bootstrap, rig.settings.topics.submissions)


def audits(rig: Rig) -> dict[str, dict]:
    """Letter's coordinates → what became of it."""
    records = read_all(rig.settings.kafka.bootstrap, rig.settings.topics.replays)
    return {r.key.decode(): json.loads(r.value) for r in records if not r.key.startswith((b"run/", b"barrier/"))}


def verdict(submission_id: str, revision: int) -> bytes:
    return json.dumps(
        {
            "verdict_id": "0" * 64,
            "submission_id": submission_id,
            "revision": revision,
            "decision": "approve",
            "policy_version": "1.0.0",
            "engine": {"name": "t", "model": "t", "revision": "1"},
            "origin": {"topic": "t", "partition": 0, "offset": 0},
            "judged_at": "2026-03-02T09:00:00Z",
        }
    ).encode()


def test_letters_of_every_reason_go_once_with_their_bytes_and_leave_an_audit(rig):
    letters = of_all_reasons(rig.settings, 3 * len(REASONS))
    where = send(rig.settings, letters)
    plan = answer(rig, "replay")
    assert plan["executed"] is False
    assert plan["plan"]["by_reason"] == {reason.value: 3 for reason in REASONS}
    assert resubmitted(rig) == []
    run = replay(rig)
    assert (run["status"], run["resubmitted"], run["refused"]) == ("done", len(letters), {})
    by_key = {made.key: made for made in letters}
    sent = resubmitted(rig)
    assert sorted(record.key for record in sent) == sorted(by_key)
    for record in sent:
        check_as_it_was(by_key[record.key], record, run["run_id"])
    entries = audits(rig)
    assert set(entries) == set(where)
    by_where = dict(zip(where, letters, strict=True))
    for key, entry in entries.items():
        assert entry["value_sha256"] == by_where[key].sha256
        assert (entry["result"], entry["run_id"], entry["why"]) == ("resubmitted", run["run_id"], "the cause is gone")
        assert entry["replay_count"] == 1


def check_as_it_was(made: Made, record, run_id: str) -> None:
    assert hashlib.sha256(record.value).hexdigest() == made.sha256
    headers = dict(record.headers)
    own = [(name, value) for name, value in made.headers if name not in FACTS]
    assert list(record.headers)[: len(own)] == own
    assert headers["advet-replay-count"] == b"1"
    assert headers["advet-run-id"] == run_id.encode()
    assert headers["advet-original-timestamp"] == b"2026-03-02T08:59:00Z"
    assert headers["advet-trace-link"].startswith(b"00-4bf92f")
    assert headers["advet-replay-of"].startswith(b"submissions-")
    assert "advet-reason" not in headers
    assert record.timestamp > 1_780_000_000_000  # fresh


def test_a_letter_goes_once_across_runs(rig):
    send(rig.settings, of_all_reasons(rig.settings, 20))
    assert replay(rig, "--max", "5")["resubmitted"] == 5
    rest = replay(rig)
    assert (rest["resubmitted"], rest["refused"]) == (15, {"already_replayed": 5})
    assert answer(rig, "replay")["plan"]["letters"] == 0
    nothing = answer(rig, "replay", "--execute", "--reason", "again")
    assert nothing["executed"] is False
    assert len({record.key for record in resubmitted(rig)}) == len(resubmitted(rig)) == 20
    runs = answer(rig, "runs")["runs"]
    assert [run["resubmitted"] for run in runs] == [15, 5]


def test_only_what_is_selected_goes(rig):
    send(rig.settings, of_all_reasons(rig.settings, 30))
    assert replay(rig, "--cause", "worker_crash")["resubmitted"] == 2
    assert replay(rig, "--key", "s-3", "--key", "s-4")["resubmitted"] == 2
    expected = sum(1 for n in range(30) if n % 7 == 5 and REASONS[n % len(REASONS)] is not Reason.WORKER_CRASH)
    assert replay(rig, "--advertiser", "a-5")["resubmitted"] == expected
    assert answer(rig, "replay", "--since", "1h", "--until", "30m")["plan"]["letters"] == 0


def test_an_ad_whose_revision_has_a_verdict_stays(rig):
    older, same, newer = (make_letter(rig.settings, n) for n in range(3))
    send(rig.settings, [older, same, newer])
    rows = [(b"s-0", verdict("s-0", 2)), (b"s-1", verdict("s-1", 1)), (b"s-2", verdict("s-2", 0))]
    put(rig.settings, rig.settings.topics.verdicts, rows)
    run = replay(rig)
    assert (run["resubmitted"], run["refused"]) == (1, {"judged": 2})
    assert [record.key for record in resubmitted(rig)] == [b"s-2"]


def test_the_guards_stop_loops(rig):
    """A second failure on the same judge needs --force; after two replays a letter goes to the quarantine."""
    looped = make_letter(rig.settings, 1, replay_count=1)
    looped.headers += [("advet-replayed-model", b"m-1"), ("advet-replayed-policy", b"1.0.0")]
    other_policy = make_letter(rig.settings, 2, replay_count=1)
    other_policy.headers += [("advet-replayed-model", b"m-1"), ("advet-replayed-policy", b"0.9.0")]
    exhausted = make_letter(rig.settings, 3, replay_count=2)
    send(rig.settings, [looped, other_policy, exhausted])
    run = replay(rig)
    assert (run["resubmitted"], run["quarantined"], run["refused"]) == (1, 1, {"same_judge": 1})
    [moved] = read_all(rig.settings.kafka.bootstrap, rig.settings.topics.quarantine)
    assert (moved.key, moved.value, list(moved.headers)) == (exhausted.key, exhausted.value, exhausted.headers)
    forced = replay(rig, "--force")
    assert (forced["resubmitted"], forced["refused"]) == (1, {"already_replayed": 2})
    assert Counter(entry["result"] for entry in audits(rig).values()) == {"resubmitted": 2, "quarantined": 1}


def test_what_cannot_be_sent_stays_and_is_counted(rig):
    garbage = Made(rig.settings.topics.dead_letters, b"k", b"v", [("x", b"y")])
    claimed = make_letter(rig.settings, 1, claim={"bucket": "ad-creatives", "key": "claims/none", "sha256": "0" * 64})
    claimed.value = b""
    send(rig.settings, [garbage, claimed, make_letter(rig.settings, 2)])
    run = replay(rig)
    assert (run["resubmitted"], run["refused"]) == (1, {"unreadable": 1, "claim_lost": 1})


def test_a_value_that_was_kept_in_storage_goes_whole(rig, s3):
    letter = make_letter(rig.settings, 1)
    kept = letter.value or b""
    claim = {"bucket": "ad-creatives", "key": "claims/one", "sha256": hashlib.sha256(kept).hexdigest()}
    s3.put_object(Bucket="ad-creatives", Key="claims/one", Body=kept)
    send(rig.settings, [Made(letter.topic, letter.key, b"", make_letter(rig.settings, 1, claim=claim).headers)])
    assert replay(rig)["resubmitted"] == 1
    [record] = resubmitted(rig)
    assert record.value == kept


def test_looking_at_letters(rig):
    where = send(rig.settings, of_all_reasons(rig.settings, 30))
    listed = answer(rig, "ls", "--limit", "4")
    assert (listed["letters"], len(listed["newest"]), sum(listed["by_reason"].values())) == (30, 4, 30)
    assert answer(rig, "stats", "--cause", "worker_crash")["letters"] == 2
    topic, partition, offset = where[0].rsplit("-", 2)
    shown = answer(rig, "show", topic, partition, offset)
    assert shown["dead_letter"]["reason"] == "submission_invalid"
    assert "replay" not in shown
    exported = [json.loads(line) for line in dlq(rig, "export").stdout.splitlines()]
    assert len(exported) == 30
    human = dlq(rig, "ls").stdout + dlq(rig, "stats").stdout + dlq(rig, "show", topic, partition, offset).stdout
    assert "worker_crash" in human
    assert "no record at offset" in dlq(rig, "show", topic, partition, "99999", status=1).stderr
    replay(rig)
    assert answer(rig, "show", topic, partition, offset)["replay"]["result"] == "resubmitted"
