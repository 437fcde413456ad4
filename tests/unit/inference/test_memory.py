"""Bytes that a launch may take: neighbours, cache, headroom and our own share of the card."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consumer.inference.memory import MIB, Ceiling, FreeDrops, available, headroom, most_available
from consumer.inference.work import MemoryReading

GIB = 1024 * MIB
CARD = MemoryReading(
    total=80 * GIB, free=60 * GIB, reserved=18 * GIB, allocated=16 * GIB, inactive_split=0, context=GIB
)
"""16 GiB of weights, 2 GiB cached, 1 GiB of context, 1 GiB of another process."""


@st.composite
def readings(draw):
    total = draw(st.integers(GIB, 200 * GIB))
    context = draw(st.integers(0, total // 8))
    reserved = draw(st.integers(0, total - context))
    free = draw(st.integers(0, total - context - reserved))
    allocated = draw(st.integers(0, reserved))
    split = draw(st.integers(0, reserved - allocated))
    return MemoryReading(total, free, reserved, allocated, split, context)


def test_cache_in_one_piece_counts_as_free():
    beyond = 62 * GIB
    assert available(CARD, 1.0) == beyond - headroom(CARD)
    cut = replace(CARD, inactive_split=GIB)
    assert available(cut, 1.0) == beyond - GIB - headroom(cut)


def test_headroom_is_a_share_of_what_is_free_beyond_the_weights():
    assert headroom(CARD) == -(-62 * GIB // 20)
    assert headroom(replace(CARD, free=0)) == 256 * MIB


def test_headroom_grows_with_what_neighbours_take_but_leaves_half():
    assert headroom(CARD, 3 * GIB) == headroom(CARD) + 3 * GIB
    assert headroom(CARD, 1000 * GIB) == headroom(CARD) + 31 * GIB
    assert available(CARD, 1.0, 1000 * GIB) > 27 * GIB


def test_our_share_of_the_card_is_a_cap():
    assert available(CARD, 0.5) == 40 * GIB - 17 * GIB
    assert available(CARD, 0.2) == 0


def test_the_most_there_could_ever_be_counts_no_neighbour():
    crowded = replace(CARD, free=100 * MIB, inactive_split=GIB)
    assert available(crowded, 0.8) == 100 * MIB + GIB - 256 * MIB
    assert most_available(crowded, 0.8) == most_available(CARD, 0.8) == 64 * GIB - 17 * GIB
    assert most_available(CARD, 1.0) == 63 * GIB - (-(-63 * GIB // 20))


@given(readings(), st.floats(0.05, 1.0), st.integers(0, 100 * GIB))
def test_available_is_never_negative_nor_more_than_the_most(reading, max_share, drop_bytes):
    now = available(reading, max_share, drop_bytes)
    assert 0 <= now <= most_available(reading, max_share)
    assert now + headroom(reading, drop_bytes) <= max(
        reading.free + reading.reserved - reading.allocated, headroom(reading, drop_bytes)
    )


@given(readings(), st.floats(0.05, 1.0), st.integers(0, 10 * GIB))
def test_a_neighbour_that_takes_memory_never_makes_room(reading, max_share, taken):
    taken = min(taken, reading.free)
    assert available(replace(reading, free=reading.free - taken), max_share) <= available(reading, max_share)


def neighbour(taken):
    return replace(CARD, free=CARD.free - taken)


def test_what_neighbours_took_during_launches_is_remembered():
    drops = FreeDrops()
    assert drops.p99(0.0) == 0
    drops.observe(CARD, neighbour(GIB), 0.0)
    assert drops.p99(1.0) == GIB


def test_our_own_cache_is_no_drop_and_a_neighbour_that_leaves_is_none():
    drops = FreeDrops()
    grown = replace(CARD, free=CARD.free - 5 * GIB, reserved=CARD.reserved + 5 * GIB)
    drops.observe(CARD, grown, 0.0)
    assert drops.p99(0.0) == 0
    drops.observe(neighbour(GIB), CARD, 0.0)
    assert drops.p99(0.0) == 0


def test_one_large_drop_among_many_does_not_count():
    drops = FreeDrops()
    for _ in range(200):
        drops.observe(CARD, neighbour(MIB), 0.0)
    drops.observe(CARD, neighbour(40 * GIB), 0.0)
    assert drops.p99(0.0) == MIB


def test_drops_are_forgotten_by_time_and_by_number():
    drops = FreeDrops(window=10, keep_seconds=60.0)
    drops.observe(CARD, neighbour(GIB), 0.0)
    assert drops.p99(60.0) == GIB
    assert drops.p99(61.0) == 0
    for _ in range(5):
        drops.observe(CARD, neighbour(GIB), 100.0)
    for _ in range(10):
        drops.observe(CARD, CARD, 100.0)
    assert drops.p99(100.0) == 0


def test_a_refused_reservation_halves_what_may_be_tried_and_doubles_every_second():
    ceiling = Ceiling()
    assert ceiling.bound(10 * GIB, 0.0) == 10 * GIB
    ceiling.refuse(4 * GIB, 0.0)
    assert [ceiling.bound(10 * GIB, at) for at in (0.0, 1.0, 2.0, 3.0)] == [2 * GIB, 4 * GIB, 8 * GIB, 10 * GIB]
    assert ceiling.bound(GIB, 0.0) == GIB


def test_any_refusal_is_forgotten():
    ceiling = Ceiling()
    ceiling.refuse(0, 0.0)
    assert ceiling.bound(1000 * GIB, 1e9) == 1000 * GIB
