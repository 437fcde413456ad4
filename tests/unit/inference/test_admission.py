"""Which ads go into a launch: order, ageing, starvation, reservations."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.inference.admission import Batch, Candidate, Pricing, Queue
from consumer.inference.ladder import MAX_TRIES, SUSPECT, Rung, Standing, after_oom
from consumer.inference.memory import Ceiling
from consumer.inference.price import Coefficients, Correction, DecodeCost, PrefillCost, VisionCost
from consumer.inference.work import PhaseBytes, Shape

KV = 10


def pricing():
    """A kept token costs `KV` bytes and nothing else costs anything."""
    return Pricing(
        Coefficients(1024, 1024, VisionCost(), PrefillCost(kept_token=KV), DecodeCost(kept_token=KV)), Correction()
    )


def ad(name, size_bytes, standing=Standing()):  # noqa: B008 — frozen
    return Candidate(name, Shape((), size_bytes // KV - 1, 1), standing)


def queue(*candidates, max_batch=64, max_passes=2):
    made = Queue(max_batch, max_passes)
    for candidate in candidates:
        made.offer(candidate)
    return made


def names(batch):
    return [candidate.ad for candidate in batch.candidates] if batch else None


def launch(line, available_bytes):
    """Takes a batch, runs it, gives it back."""
    batch = line.take(available_bytes, pricing())
    if batch:
        line.give_back(batch)
    return names(batch)


def test_a_batch_grows_in_order_while_its_price_fits():
    line = queue(ad("a", 100), ad("b", 100), ad("c", 100))
    batch = line.take(250, pricing())
    assert names(batch) == ["a", "b"]
    assert batch.predicted == PhaseBytes(vision=0, prefill=200, decode=200)
    assert batch.reserve_bytes == line.reserved_bytes == 200
    assert len(line) == 1


def test_a_batch_is_at_most_so_many_ads():
    assert launch(queue(*(ad(n, 10) for n in range(5)), max_batch=3), 1000) == [0, 1, 2]


def test_refusal_is_a_value_and_costs_nothing():
    line = queue(ad("a", 100))
    assert line.take(99, pricing()) is None
    assert line.reserved_bytes == 0
    assert launch(line, 100) == ["a"]
    assert line.take(1000, pricing()) is None


def test_what_is_reserved_is_not_available_until_it_is_given_back():
    line = queue(ad("a", 100), ad("b", 100))
    first = line.take(150, pricing())
    assert line.take(150, pricing()) is None
    line.give_back(first)
    assert line.reserved_bytes == 0
    assert launch(line, 150) == ["b"]
    with pytest.raises(KeyError):
        line.give_back(first)


def test_a_corrected_price_admits_less():
    priced = pricing()
    priced.correction.observe(PhaseBytes(0, 200, 200), PhaseBytes(0, 300, 200))
    batch = queue(ad("a", 100), ad("b", 100)).take(200, priced)
    assert names(batch) == ["a"]


def test_an_ad_is_passed_over_only_so_often_then_those_behind_wait():
    """`big` fits alone, but not beside `first`, which is ahead of it and fails and comes back every time."""
    first = ad("first", 60)
    line = queue(first, ad("big", 100), *(ad(n, 10) for n in range(6)), max_batch=2, max_passes=2)
    for others in ([0], [1], []):
        assert launch(line, 100) == ["first", *others]
        line.offer(first)
    line.withdraw(first)
    assert launch(line, 100) == ["big"]
    assert launch(line, 100) == [2, 3]


def test_a_launch_passes_over_an_ad_once_however_many_go_past():
    big = ad("big", 100)
    line = queue(ad("a", 60), big, ad("b", 10), ad("c", 10))
    assert launch(line, 100) == ["a", "b", "c"]
    assert big.passed_over == 1


def test_who_is_not_overtaken_does_not_age():
    line = queue(ad("a", 60), ad("b", 60), max_passes=1)
    assert launch(line, 100) == ["a"]
    assert launch(line, 100) == ["b"]
    lonely = ad("big", 500)
    line.offer(lonely)
    for _ in range(10):
        assert launch(line, 100) is None
    assert lonely.passed_over == 0


def test_an_ad_that_others_pass_until_its_ageing_is_spent_is_starved():
    big = ad("big", 500)
    line = queue(big, *(ad(n, 100) for n in range(5)), max_passes=2)
    for name in (0, 1):
        assert line.starved(100, pricing()) == ()
        assert launch(line, 100) == [name]
    assert line.starved(100, pricing()) == (big,)
    assert launch(line, 100) == [2]


def test_nobody_is_starved_while_nothing_can_be_admitted():
    big = ad("big", 500)
    line = queue(big, ad("small", 100), max_passes=2)
    big.passed_over = 2
    assert line.starved(99, pricing()) == ()
    assert launch(line, 99) is None
    assert line.starved(100, pricing()) == (big,)


def test_nobody_is_starved_by_what_a_launch_holds():
    big, small = ad("big", 500), ad("small", 100)
    line = queue(small, big, ad("other", 100), max_batch=1, max_passes=2)
    batch = line.take(100, pricing())
    big.passed_over = 2
    assert line.starved(100, pricing()) == ()
    line.give_back(batch)
    assert line.starved(100, pricing()) == (big,)


def test_a_suspect_runs_alone():
    line = queue(ad("a", 10), ad("suspect", 10, SUSPECT), ad("b", 10))
    assert launch(line, 1000) == ["a", "b"]
    line.offer(ad("c", 10))
    assert launch(line, 1000) == ["suspect"]
    assert launch(line, 1000) == ["c"]


def test_a_batch_is_no_larger_than_any_of_its_ads_may_be_part_of():
    line = queue(ad("a", 10), ad("halved", 10, Standing(Rung.HALVE, most=2)), ad("b", 10), ad("c", 10))
    assert launch(line, 1000) == ["a", "halved"]
    assert launch(line, 1000) == ["b", "c"]


def test_an_ad_offered_again_has_its_old_place():
    line = queue(ad("a", 100), ad("b", 100))
    batch = line.take(100, pricing())
    line.give_back(batch)
    line.offer(batch.candidates[0])
    assert launch(line, 100) == ["a"]


def test_a_withdrawn_ad_is_gone():
    gone, stays = ad("gone", 10), ad("stays", 10)
    line = queue(gone, stays)
    line.withdraw(gone)
    line.withdraw(gone)
    assert launch(line, 100) == ["stays"]


def test_all_that_wait_can_be_taken_out_at_once():
    line = queue(ad("a", 10), ad("b", 10))
    assert [candidate.ad for candidate in line.clear()] == ["a", "b"]
    assert len(line) == 0


def test_an_ad_that_has_outgrown_the_device_leaves_before_it_stops_the_others():
    priced, large = pricing(), ad("large", 900)
    line = queue(ad("small", 100), large)
    assert line.unfit(1000, priced) == ()
    priced.correction.observe(PhaseBytes(0, 900, 900), PhaseBytes(0, 1100, 900))
    assert line.unfit(1000, priced) == (large,)
    assert names(line.take(1000, priced)) == ["small"]


def test_an_ad_that_can_never_be_reserved_though_readings_promise_room_is_starved_by_those_that_can():
    big, line, ceiling, seconds = ad("big", 800), queue(max_passes=4), Ceiling(), 0.0
    line.offer(big)
    for name in range(100):
        line.offer(ad(name, 100))
        room = ceiling.bound(850, seconds)
        if starved := line.starved(room, pricing()):
            assert starved == (big,)
            break
        batch = line.take(room, pricing())
        line.give_back(batch)
        if big in batch.candidates:
            ceiling.refuse(batch.reserve_bytes, seconds)
            settle(line, batch, "reserve", {}, {})
        seconds += 0.3
    assert big.passed_over == 4


@settings(deadline=None)
@given(st.data())
def test_every_ad_ends_exactly_once_whatever_memory_does(data):
    """Random prices, free bytes and failures at every phase; at last the memory comes back."""
    sizes = data.draw(st.lists(st.integers(2, 50), min_size=1, max_size=20), label="sizes")
    line, ended = queue(*(ad(n, size * KV) for n, size in enumerate(sizes)), max_batch=8), []
    together, alone = dict.fromkeys(range(len(sizes)), 0), dict.fromkeys(range(len(sizes)), 0)
    rounds = 0
    while len(line):
        troubled = rounds < 200
        available = data.draw(st.integers(0, 1500), label="available") if troubled else 500
        rounds += 1
        assert rounds < 1000
        ended += [candidate.ad for candidate in line.starved(available, pricing())]
        batch = line.take(available, pricing())
        if batch is None:
            continue
        assert batch.reserve_bytes <= available
        phase = data.draw(st.sampled_from(["done", "reserve", "vision", "decode"])) if troubled else "done"
        line.give_back(batch)
        ended += settle(line, batch, phase, together, alone)
    assert line.reserved_bytes == 0
    assert sorted(ended) == list(range(len(sizes)))
    assert max(alone.values()) <= MAX_TRIES
    assert max(together.values()) <= math.log2(8)


def settle(line: Queue, batch: Batch, phase, together, alone):
    """What a launch loop does with an outcome; the ads that ended."""
    ended = []
    for candidate in batch.candidates:
        if phase in ("vision", "decode"):
            (together if len(batch.candidates) > 1 else alone)[candidate.ad] += 1
        if phase == "done":
            ended.append(candidate.ad)
            continue
        candidate.standing = after_oom(candidate.standing, len(batch.candidates), phase)
        if candidate.standing.rung is Rung.EXHAUSTED:
            ended.append(candidate.ad)
            continue
        if candidate.standing.rung is Rung.SMALLER:
            candidate.shape = replace(candidate.shape, text_tokens=max(1, candidate.shape.text_tokens // 2))
        line.offer(candidate)
    return ended
