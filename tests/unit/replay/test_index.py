"""What has happened before, in bounded memory."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import StreamBroken
from consumer.messages import Partition, RawRecord
from consumer.replay.guards import Refusal
from consumer.replay.index import Judged, Offsets, ReplayIndex
from consumer.replay.plan import Plan
from consumer.replay.runs import Orders, new_run, overlapping, overtaken_by
from consumer.replay.selection import Selection
from consumer.settings import Settings
from schemas import Reason, RecordOrigin
from schemas.codec import encode
from schemas.replay import ReplayRun, RunStatus, Stretch, letter_key, read_letter_key, run_key

SETTINGS = Settings()
SCOPE = (Stretch(topic="ad-dead-letters", partition=1, begin=100, end=200),)


def run(scope: tuple[Stretch, ...] = SCOPE) -> ReplayRun:
    return new_run(SETTINGS, Selection(), scope, Orders("why"))


def entry(key: bytes, value: bytes | None) -> RawRecord:
    return RawRecord(Partition("ad-replays", 0), 0, 0, key, value, ())


def at(offset: int, partition: int = 1, topic: str = "ad-dead-letters") -> RawRecord:
    return RawRecord(Partition(topic, partition), offset, 0, None, None, ())


@given(st.integers(0, 50), st.integers(0, 60), st.sets(st.integers(0, 150)))
def test_offsets_are_a_set_within_their_bounds(begin: int, length: int, added: set[int]) -> None:
    offsets = Offsets(begin, begin + length)
    for offset in added:
        offsets.add(offset)
    inside = {offset for offset in added if begin <= offset < begin + length}
    assert {offset for offset in range(200) if offset in offsets} == inside


@given(st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**53), max_size=30), st.randoms())
def test_judged_is_the_highest_revision_of_what_was_asked(noted: dict[int, int], chance: random.Random) -> None:
    asked = [submission for submission in noted if chance.random() < 0.7]
    judged = Judged(asked)
    for submission, revision in noted.items():
        judged.note(submission, revision)
        judged.note(submission, 0)
    for submission, revision in noted.items():
        assert judged.covers(submission, revision) == (submission in asked)
        assert not judged.covers(submission, revision + 1)


@given(st.text("abc.-_7", min_size=1, max_size=40), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
def test_a_letter_is_read_back_from_its_key(topic: str, partition: int, offset: int) -> None:
    letter = RecordOrigin(topic=topic, partition=partition, offset=offset)
    assert read_letter_key(letter_key(letter)) == letter


@pytest.mark.parametrize("key", [b"", b"run/x", b"a-1", b"a-1-x", b"\xff-1-2", b"a-1-99999999999999999999"])
def test_other_keys_name_no_letter(key: bytes) -> None:
    assert read_letter_key(key) is None


def test_the_index_knows_letters_of_its_scope_and_the_last_word_of_each_run() -> None:
    index = ReplayIndex(SCOPE)
    mine = run()
    for record in (
        entry(b"ad-dead-letters-1-150", b"{}"),
        entry(b"ad-dead-letters-2-151", b"{}"),
        entry(b"ad-dead-letters-1-99", b"{}"),
        entry(b"ad-dead-letters-1-152", None),
        entry(run_key(mine.run_id), encode(mine)),
        entry(run_key(mine.run_id), encode(mine.model_copy(update={"status": RunStatus.DONE}))),
        entry(run_key("gone"), None),
        entry(b"", b""),
    ):
        index.note(record)
    assert [index.replayed(at(offset)) for offset in (99, 150, 151, 152)] == [False, True, False, False]
    assert not index.replayed(at(150, partition=2))
    assert not index.replayed(at(150, topic="ad-oom-dead-letters"))
    assert {key: found.status for key, found in index.runs.items()} == {mine.run_id: RunStatus.DONE}


def test_a_run_that_another_program_wrote_stops_the_command() -> None:
    with pytest.raises(StreamBroken, match="no record of a run"):
        ReplayIndex(()).note(entry(b"run/x", b"[]"))


def test_only_runs_under_way_in_the_same_partition_overlap() -> None:
    mine, other = run(), run()
    elsewhere = run((Stretch(topic="ad-dead-letters", partition=2, begin=0, end=9),))
    done = run().model_copy(update={"status": RunStatus.DONE})
    assert list(overlapping([mine, other, elsewhere, done], mine)) == [other]


def test_the_loser_is_told_what_happened() -> None:
    mine, partition = run(), Partition("ad-dead-letters", 1)
    assert overtaken_by([mine], mine, partition) is None
    winner = run().model_copy(update={"status": RunStatus.DONE, "who": "mei@ops-1"})
    assert f"run {winner.run_id} of mei@ops-1" in (overtaken_by([mine, winner], mine, partition) or "")
    cancelled = mine.model_copy(update={"status": RunStatus.CANCELLED, "note": "cancelled by mei: wrong ones"})
    assert "cancelled by mei: wrong ones" in (overtaken_by([cancelled, winner], mine, partition) or "")


def test_a_plan_adds_up() -> None:
    plan = Plan(ad_seconds=0.5)
    for refusal in (None, None, Refusal.QUARANTINE, Refusal.JUDGED):
        plan.count(Reason.WORKER_CRASH, refusal, 10, 7)
    assert (plan.letters, plan.value_bytes, plan.largest_price_bytes, plan.gpu_seconds) == (2, 20, 7, 1.0)
    assert plan.quarantine == {Reason.WORKER_CRASH: 1}
    assert plan.refused == {Refusal.JUDGED: 1}
