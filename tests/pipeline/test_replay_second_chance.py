"""A consumer on a bigger GPU that reads the letters of memory itself."""

import json
from collections import Counter

import pytest

from schemas import Reason
from tests.letters import make_letter, read_all, send
from tests.pipeline.test_replay import answer, audits, dlq
from tests.rig import Rig, wait_for

pytestmark = pytest.mark.kafka


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store):
    return Rig.make(tmp_path, apache_kafka.bootstrap, weed_store, partitions=2, delivery="exactly_once")


def test_it_judges_what_fits_and_quarantines_the_rest(rig):
    """Verdicts link back, the rest never returns to the input, and no replay takes either again."""
    poison = {"text": {"title": "poison"}}
    where = send(
        rig.settings,
        [
            *(make_letter(rig.settings, number, Reason.OOM_NEVER_FITS) for number in range(6)),
            make_letter(rig.settings, 6, Reason.OOM_EXHAUSTED, event=poison),
        ],
    )
    send(rig.settings, [make_letter(rig.settings, 7)])
    rig.config.write_text('input = "oom_dead_letters"\n' + rig.config.read_text())
    bootstrap, topics = rig.settings.kafka.bootstrap, rig.settings.topics
    with rig.member("failing", "0") as member:
        wait_for(lambda: len(audits(rig)) == 7, member)
        taken = dlq(rig, "replay", "--topic", topics.oom_dead_letters, status=1)
        assert "read this topic as their input" in " ".join(taken.stderr.split())
        assert answer(rig, "replay")["plan"]["by_reason"] == {"creative_missing": 1}
        assert member.terminate() == 0
    verdicts = [json.loads(record.value) for record in read_all(bootstrap, topics.verdicts)]
    assert {verdict["submission_id"] for verdict in verdicts} == {f"s-{number}" for number in range(6)}
    for verdict in verdicts:
        assert verdict["origin"]["topic"] == topics.oom_dead_letters
        number = int(verdict["submission_id"][2:])
        assert verdict["replay_of"] == {"topic": topics.submissions, "partition": 0, "offset": number}
    [letter] = read_all(bootstrap, topics.quarantine)
    assert letter.key == b"s-6"
    assert dict(letter.headers)["__dlq.errors.topic"] == topics.oom_dead_letters.encode()
    entries = audits(rig)
    assert set(entries) == set(where)
    assert Counter(entry["result"] for entry in entries.values()) == {"judged": 6, "quarantined": 1}
    assert len(read_all(bootstrap, topics.oom_dead_letters)) == 7
    assert answer(rig, "replay")["plan"]["refused"] == {"already_replayed": 7}
