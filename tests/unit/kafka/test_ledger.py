"""The ledger never lets an unfinished offset be committed, in whatever order records finish."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.ledger import KeyOrder, LedgerBroken, PartitionLedger

offsets_with_gaps = st.lists(st.integers(0, 500), unique=True, min_size=1, max_size=60).map(sorted)


@given(offsets_with_gaps, st.randoms(use_true_random=False))
def test_low_is_the_lowest_unfinished_offset(offsets, rng):
    """Whatever finishes first, everything below `low` is finished and `low` itself is not."""
    ledger = PartitionLedger(offsets[0])
    for offset in offsets:
        ledger.take(offset)
    unfinished = set(offsets)
    for offset in rng.sample(offsets, len(offsets)):
        assert ledger.low == min(unfinished)
        ledger.finish(offset)
        unfinished.remove(offset)
        assert ledger.in_flight == len(unfinished)
    assert ledger.low == ledger.position == offsets[-1] + 1
    assert ledger.window == 0


@given(offsets_with_gaps, st.randoms(use_true_random=False))
def test_low_never_falls(offsets, rng):
    ledger = PartitionLedger(offsets[0])
    lows = [ledger.low]
    waiting = []
    for offset in offsets:
        ledger.take(offset)
        waiting.append(offset)
        if rng.random() < 0.5:
            ledger.finish(waiting.pop(rng.randrange(len(waiting))))
        lows.append(ledger.low)
    assert lows == sorted(lows)


def test_markers_are_passed_only_when_nothing_is_in_flight():
    """A position beyond the last record moves `low` once every record below it is finished."""
    ledger = PartitionLedger(5)
    ledger.take(5)
    ledger.reach(8)
    assert (ledger.low, ledger.position) == (5, 8)
    ledger.finish(5)
    assert ledger.low == 8
    ledger.reach(3)
    assert ledger.low == 8


@pytest.mark.parametrize(("finished", "low"), [({11}, 12), ({11, 12}, 13), ({12}, 11), ({11, 13}, 12)])
def test_low_passes_what_an_earlier_owner_finished_and_not_one_offset_more(finished, low):
    ledger = PartitionLedger(10, finished)
    assert ledger.take(10)
    ledger.finish(10)
    assert ledger.low == low
    assert [ledger.is_finished(offset) for offset in (10, low)] == [True, False]


def test_what_lies_below_low_is_forgotten():
    """A partition is owned for months: its ledger holds the window, not the past."""
    ledger = PartitionLedger(0)
    for offset in range(5000):
        ledger.take(offset)
        ledger.finish(offset)
    assert len(pickle.dumps(ledger)) < 1000


def test_a_record_is_taken_once():
    ledger = PartitionLedger(10)
    ledger.take(12)
    for offset in (12, 11, 9):
        with pytest.raises(LedgerBroken):
            ledger.take(offset)


def test_only_what_is_in_flight_finishes():
    ledger = PartitionLedger(0)
    ledger.take(0)
    ledger.finish(0)
    for offset in (0, 1):
        with pytest.raises(LedgerBroken):
            ledger.finish(offset)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers()), max_size=60), st.randoms(use_true_random=False))
def test_one_record_of_a_key_runs_and_the_rest_keep_their_order(arrivals, rng):
    order = KeyOrder()
    running: dict[str, int] = {}
    started: dict[str, list] = {}
    todo = list(enumerate(arrivals))
    while todo or running:
        if todo and (not running or rng.random() < 0.5):
            number, (key, _) = todo.pop(0)
            if order.admit(key, number):
                assert key not in running
                running[key] = number
                started.setdefault(key, []).append(number)
        else:
            key = rng.choice(sorted(running))
            del running[key]
            following = order.release(key)
            if following is not None:
                running[key] = following
                started[key].append(following)
    for key, numbers in started.items():
        assert numbers == [number for number, (other, _) in enumerate(arrivals) if other == key]


def test_records_without_a_key_do_not_wait():
    order = KeyOrder()
    assert order.admit(None, 1)
    assert order.admit(None, 2)
    assert order.release(None) is None


def test_an_abandoned_key_gives_back_what_waited():
    order = KeyOrder()
    assert order.admit("k", 1)
    assert not order.admit("k", 2)
    assert not order.admit("k", 3)
    assert order.abandon("k") == [2, 3]
    assert order.admit("k", 4)
