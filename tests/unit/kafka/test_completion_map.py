"""The map survives the trip through the broker's metadata, always fits, and nothing foreign is guessed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.completion_map import WINDOW_OFFSETS, Coverage, MapUnreadable, decode, encode
from consumer.kafka.ledger import PartitionLedger

coverages = st.builds(
    lambda low, places, starts, suspect, tries: Coverage(
        low, frozenset(low + p for p in places), starts, None if suspect is None else low + suspect, tries
    ),
    st.integers(0, 2**62),
    st.sets(st.integers(1, WINDOW_OFFSETS - 1), max_size=200),
    st.integers(0, 9999),
    st.none() | st.integers(0, WINDOW_OFFSETS - 1),
    st.integers(0, 9999),
)


@given(coverages)
def test_decoding_gives_back_what_was_encoded(coverage):
    assert decode(coverage.low, encode(coverage)) == coverage


def test_the_fullest_map_fits_the_brokers_limit():
    low = 10**15
    fullest = Coverage(low, frozenset(range(low + 1, low + WINDOW_OFFSETS)), 9999, low + 4095, 9999)
    assert len(encode(fullest)) < 750
    assert decode(low, encode(fullest)) == fullest


def test_a_start_is_counted_and_nothing_else_changes():
    coverage = Coverage(5, frozenset({7}), 2, 5, 1)
    assert coverage.restarted() == Coverage(5, frozenset({7}), 3, 5, 1)


def test_the_number_of_starts_always_fits():
    assert decode(5, encode(Coverage(5, starts=9999).restarted())).starts == 9999


def test_a_fresh_partition_has_no_starts_and_no_suspect():
    fresh = decode(7, None)
    assert (fresh.low, fresh.finished, fresh.starts, fresh.suspect, fresh.suspect_tries) == (7, frozenset(), 0, None, 0)


def test_metadata_of_others_means_nothing_is_finished_above():
    assert decode(7, "") == decode(7, None) == Coverage(7)


@pytest.mark.parametrize(
    "metadata",
    [
        "advet2 0 - 0 ",
        "m",
        "advet1 0 - 0",
        "advet1 x - 0 ",
        "advet1 0 - 0 !!",
        "advet1 0 - 0 A",
        "advet1 0 - 0 AQ",
        "advet1 0 - 0 " + "_" * 684,
    ],
)
def test_an_unknown_version_or_damage_is_an_error(metadata):
    with pytest.raises(MapUnreadable):
        decode(7, metadata)


@pytest.mark.parametrize("offset", [0, 10, 10 + WINDOW_OFFSETS])
def test_an_offset_outside_the_window_is_refused(offset):
    with pytest.raises(ValueError):
        encode(Coverage(10, frozenset({offset})))


@given(st.data())
def test_owners_that_follow_each_other_judge_every_record_once(data):
    """Each owner finishes some of what it took, commits, and dies; the next starts from the committed state."""
    offsets = sorted(data.draw(st.sets(st.integers(0, 80), min_size=1, max_size=40)))
    low, metadata = 0, ""
    judged: list[int] = []
    for _ in range(6):
        coverage = decode(low, metadata)
        ledger = PartitionLedger(coverage.low, coverage.finished)
        taken = [o for o in offsets if o >= low][: data.draw(st.integers(0, 40))]
        running = [offset for offset in taken if ledger.take(offset)]
        done = data.draw(st.lists(st.sampled_from(running), unique=True)) if running else []
        after, finished = ledger.after(done)
        assert after >= low, "coverage never shrinks"
        assert coverage.finished <= finished | frozenset(range(after)), "coverage never shrinks"
        for offset in done:
            ledger.finish(offset)
        assert ledger.low == after
        judged += done
        low, metadata = after, encode(Coverage(after, finished))
    assert len(judged) == len(set(judged)), "judged twice"
    coverage = decode(low, metadata)
    assert {o for o in offsets if o < low} | coverage.finished == set(judged)
