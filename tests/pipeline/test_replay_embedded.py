"""The same commands on the broker that the demo uses, which has no transactions: at least once."""

import json

import pytest

from tests.letters import of_all_reasons, send
from tests.pipeline.test_replay import answer, dlq, replay
from tests.rig import Rig

LETTERS = 45


@pytest.fixture
def rig(tmp_path, embedded_broker, weed_store):
    rig = Rig.make(tmp_path, embedded_broker.bootstrap, weed_store, partitions=2)
    send(rig.settings, of_all_reasons(rig.settings, LETTERS))
    return rig


def test_letters_go_once_across_runs_and_their_ads_are_judged(rig):
    assert answer(rig, "replay")["plan"]["letters"] == LETTERS
    assert replay(rig, "--max", "10")["resubmitted"] == 10
    assert replay(rig)["refused"] == {"already_replayed": 10}
    with rig.member("fixed", "0") as member:
        outcomes = [outcome for outcome in rig.collect(2 * LETTERS, seconds=20, member=member) if not outcome.reason]
        assert member.terminate() == 0
    keys = sorted(outcome.key or b"" for outcome in outcomes)
    assert keys == sorted(f"s-{number}".encode() for number in range(LETTERS))
    assert all(json.loads(outcome.value or b"")["replay_of"]["offset"] < LETTERS for outcome in outcomes)


def test_a_run_that_has_ended_is_not_resumed_and_one_that_is_not_there_neither(rig):
    run = replay(rig, "--max", "10")
    assert "is done" in dlq(rig, "resume", run["run_id"], status=1).stderr
    assert "there is no run nothing" in dlq(rig, "cancel", "nothing", "--reason", "x", status=1).stderr
    assert "replaying" not in dlq(rig, "runs").stderr
    assert run["run_id"] in dlq(rig, "runs").stdout.replace("\n", "")
