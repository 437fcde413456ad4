"""What stops a letter, and in which order."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from consumer.messages import Partition, RawRecord
from consumer.replay.capacity import Devices, alive, price_bytes
from consumer.replay.guards import REPLAYS_MAX, Guards, Refusal, judged
from consumer.replay.index import Judged, fingerprint
from consumer.replay.letters import Ad, Letter, Unreadable, read_ad, read_letters
from consumer.replay.records import audit, quarantined, resubmission
from consumer.replay.runs import Orders, new_run
from consumer.replay.selection import Selection
from consumer.settings import Settings
from schemas import Reason
from schemas.codec import parse_consumer_report, parse_letter_replay
from schemas.headers import read_dead_letter
from schemas.replay import ReplayResult
from tests.letters import Made, make_letter, oom
from tests.unit.schemas.examples import text

SETTINGS = Settings()
MIB = 1024 * 1024


def letter(made: Made, offset: int = 5) -> Letter:
    record = RawRecord(Partition(made.topic, 0), offset, 1_772_445_600_000, made.key, made.value, tuple(made.headers))
    [found] = read_letters([record])
    assert isinstance(found, Letter)
    return found


def made(number: int = 1, **facts: Any) -> Letter:
    return letter(make_letter(SETTINGS, number, **facts))


def guards(replayed: Iterable[int] = (), **options: Any) -> Guards:
    known = set(replayed)
    return Guards(lambda record: record.offset in known, MIB, **options)


def looped(**facts: Any) -> Letter:
    """Failed on m-1 and 1.0.0, was replayed, and failed again."""
    source = make_letter(SETTINGS, 1, replay_count=1, **facts)
    source.headers += [("advet-replayed-model", b"m-1"), ("advet-replayed-policy", b"1.0.0")]
    return letter(source)


def test_a_fresh_letter_may_go() -> None:
    assert guards().refuse(made()) is None


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (made(replay_count=REPLAYS_MAX), Refusal.QUARANTINE),
        (made(replay_count=REPLAYS_MAX - 1), None),
        (looped(), Refusal.SAME_JUDGE),
        (looped(engine="m-2"), None),
        (looped(policy_version="1.0.1"), None),
        (looped(engine=None), None),
        (letter(Made("t", b"k", None, make_letter(SETTINGS, 1).headers)), Refusal.NO_VALUE),
        (letter(Made("t", b"k", b"x" * MIB, make_letter(SETTINGS, 1).headers)), Refusal.TOO_LARGE),
    ],
)
def test_each_guard(found: Letter, expected: Refusal | None) -> None:
    assert guards().refuse(found) is expected
    assert guards([5]).refuse(found) is Refusal.ALREADY_REPLAYED


def test_force_lifts_only_the_guard_of_the_same_judge() -> None:
    assert guards(force=True).refuse(looped()) is None
    assert guards(force=True).refuse(made(replay_count=REPLAYS_MAX)) is Refusal.QUARANTINE
    assert guards([5], force=True).refuse(made()) is Refusal.ALREADY_REPLAYED


def test_the_largest_letter_that_goes_makes_a_record_that_the_input_takes() -> None:
    """At the limit to the byte."""
    headers = make_letter(SETTINGS, 1).headers
    run_id = new_run(SETTINGS, Selection(), (), Orders("why")).run_id

    def sent_bytes(size: int) -> int:
        found = letter(Made("t", b"k", b"x" * size, headers))
        return resubmission(found, b"x" * size, run_id, SETTINGS.topics).size_bytes

    largest = next(
        size
        for size in range(MIB, MIB - 4096, -1)
        if guards().refuse(letter(Made("t", b"k", b"x" * size, headers))) is None
    )
    assert MIB - 300 < sent_bytes(largest) <= MIB


def test_an_ad_is_judged_when_its_revision_or_a_newer_one_is() -> None:
    verdicts = Judged([fingerprint("a"), fingerprint("b")])
    verdicts.note(fingerprint("a"), 3)
    verdicts.note(fingerprint("a"), 2)
    verdicts.note(fingerprint("other"), 9)
    ads = [Ad("a", 2), Ad("a", 3), Ad("a", 4), Ad("b", 0), Ad("other", 1), Ad(None, 1), Ad("a", None)]
    assert [judged(ad, verdicts) for ad in ads] == [True, True, False, False, False, False, False]


def test_whether_an_ad_fits_follows_the_reports() -> None:
    report = parse_consumer_report(text("consumer_report.gpu").encode())
    assert report.capacity is not None
    price = report.capacity.price
    facts = oom(visual_tokens=1000, text_tokens=100)
    assert price_bytes(facts, price) == (5_505_024 + 395_720_000 + 20_020_000)
    largest = int((report.capacity.free_bytes - price.fixed_bytes) / price.visual_token_bytes)
    devices = Devices((report,))
    assert devices.fits(oom(visual_tokens=largest, text_tokens=0))
    assert not devices.fits(oom(visual_tokens=largest + 1, text_tokens=0))
    assert devices.fits(None)
    assert not Devices().fits(facts)
    assert devices.ad_seconds == 0.31
    assert Devices().ad_seconds is None
    assert Devices().cheapest_bytes(facts) == facts.predicted_bytes
    refused = guards(devices=Devices()).refuse(made(reason=Reason.OOM_EXHAUSTED))
    assert refused is Refusal.DOES_NOT_FIT


def test_a_report_is_alive_for_three_of_its_intervals() -> None:
    report = parse_consumer_report(text("consumer_report.gpu").encode())
    at = report.reported_at
    assert alive([report], at + timedelta(seconds=15)) == (report,)
    assert alive([report], at + timedelta(seconds=15.1)) == ()


def test_what_is_written_proves_what_was_sent() -> None:
    found = made(7)
    run = new_run(SETTINGS, Selection(), (), Orders("the store is back"))
    sent = resubmission(found, found.record.value or b"", run.run_id, SETTINGS.topics)
    entry = audit(found, sent, run, SETTINGS.topics)
    assert (entry.topic, entry.key) == ("ad-replays", b"ad-dead-letters-0-5")
    replay = parse_letter_replay(entry.value or b"")
    assert (replay.result, replay.replay_count, replay.why) == (ReplayResult.RESUBMITTED, 1, "the store is back")
    assert replay.value_sha256 == make_letter(SETTINGS, 7).sha256
    moved = quarantined(found, SETTINGS.topics)
    assert (moved.key, moved.value, moved.headers) == (found.record.key, found.record.value, found.record.headers)
    assert read_dead_letter(moved.headers) == found.facts
    kept = parse_letter_replay(audit(found, moved, run, SETTINGS.topics).value or b"")
    assert (kept.result, kept.target, kept.replay_count) == (ReplayResult.QUARANTINED, "ad-quarantine", 0)


def test_a_second_replay_replaces_what_the_first_one_added() -> None:
    first = resubmission(made(7), b"v", "run-1", SETTINGS.topics)
    again = letter(Made("t", first.key or b"", b"v", [*make_letter(SETTINGS, 7).headers, *first.headers]))
    second = resubmission(again, b"v", "run-2", SETTINGS.topics)
    names = [name for name, _ in second.headers]
    for name in ("advet-run-id", "advet-replay-of", "advet-original-timestamp", "advet-replayed-model"):
        assert names.count(name) == 1
    assert dict(second.headers)["advet-run-id"] == b"run-2"


@pytest.mark.parametrize(
    "value",
    [b"", b"[]", b"{", b"[" * 100_000, b'{"submission_id": 7, "revision": "1"}', b"\xff", b'{"revision": true}', None],
)
def test_values_that_are_no_submission_name_no_revision(value: bytes | None) -> None:
    record = RawRecord(Partition("t", 0), 0, 0, b"the-key", value, ())
    assert read_ad(record) == Ad("the-key", None, None)


def test_a_record_without_facts_is_no_letter() -> None:
    [found] = read_letters([RawRecord(Partition("t", 0), 0, 0, b"k", b"v", (("x", b"y"),))])
    assert isinstance(found, Unreadable)
    assert "no dead-letter headers" in found.why
