"""The arithmetic of lag."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.group_lag import PartitionSight
from consumer.kafka.ledger import PartitionLedger
from consumer.lag.figures import (
    GroupLag,
    Rates,
    assigned_partitions,
    drain_seconds,
    gpu_seconds,
    notes_on,
    partition_lags,
    remaining,
)

from .sights import TOPIC, at, seen, sight


@pytest.mark.parametrize(
    ("partition", "left"),
    [
        (seen(end=10, low=10), 0),
        (seen(end=10, low=4), 6),
        (seen(end=10, low=4, finished=3), 3),
        (seen(end=10, low=4, finished=3, gaps=2), 1),
        (seen(end=10, low=4, first=8), 2),
        (seen(end=3, low=9), 0),
        (seen(end=5000, low=0, finished=4095), 905),
    ],
)
def test_what_is_left(partition: PartitionSight, left: int) -> None:
    assert remaining(partition) == left


@given(st.data())
def test_what_is_left_is_what_a_ledger_has_not_finished(data: st.DataObject) -> None:
    """Whatever order records finish in: taken and unfinished ones, and those not yet taken."""
    end = data.draw(st.integers(0, 60))
    gaps = data.draw(st.sets(st.integers(0, max(0, end - 1)), max_size=end))
    taken = data.draw(st.integers(0, end))
    ledger = PartitionLedger(0)
    in_flight = [offset for offset in range(taken) if offset not in gaps and ledger.take(offset)]
    done = data.draw(st.sets(st.sampled_from(in_flight))) if in_flight else set()
    for offset in done:
        ledger.finish(offset)
    low, finished = ledger.after(())
    markers = sum(offset >= low for offset in gaps if offset < end)
    partition = seen(end=end, low=low, finished=len(finished), gaps=markers)
    assert remaining(partition) == end - len(gaps & set(range(end))) - len(done)


def test_age_is_counted_from_the_oldest_unfinished_record() -> None:
    [one, other] = partition_lags(sight(seen(0, 5, 2, oldest_ms=990_500), seen(1, 3, 3)), frozenset({at(0)}), {})
    assert (one.age_seconds(1000.0), other.age_seconds(1000.0)) == (9.5, 0.0)
    assert one.age_seconds(900.0) == 0.0, "a producer's clock that is ahead makes no negative age"
    assert (one.assigned, other.assigned) == (True, False)


@pytest.mark.parametrize(
    ("left", "rates", "seconds"),
    [
        (0, None, 0.0),
        (0, Rates(5, 1), 0.0),
        (100, None, None),
        (100, Rates(5, 15), 10.0),
        (100, Rates(0, 4), 25.0),
        (100, Rates(5, 5), math.inf),
        (100, Rates(9, 1), math.inf),
    ],
)
def test_drain(left: int, rates: Rates | None, seconds: float | None) -> None:
    assert drain_seconds(left, rates) == seconds


def test_time_of_the_judge() -> None:
    assert (gpu_seconds(10, 0.5), gpu_seconds(10, None), gpu_seconds(0, None)) == (5.0, None, 0.0)


def test_the_group_is_the_sum_and_its_age_the_worst() -> None:
    partitions = partition_lags(
        sight(seen(0, 9, 2, oldest_ms=980_000), seen(1, 8, 5, oldest_ms=995_000), seen(2, 4, 4)),
        frozenset(),
        {1: ("storage",)},
        {at(0): Rates(1, 2), at(1): Rates(0, 1)},
        frozenset({at(0)}),
    )
    lag = GroupLag("g", TOPIC, 1000.0, "Stable", (), partitions, 0.5, 3600.0)
    assert (lag.remaining, lag.rates, lag.drain_seconds, lag.gpu_seconds) == (10, Rates(1, 3), 5.0, 5.0)
    assert lag.age_seconds(1000.0) == 20.0
    assert [p.stuck for p in partitions] == [True, False, False]
    assert [p.paused for p in partitions] == [(), ("storage",), ()]


def test_an_empty_group_has_nothing_left() -> None:
    lag = GroupLag("g", TOPIC, 1000.0, "Empty", (), (), None, None)
    assert (lag.remaining, lag.drain_seconds, lag.gpu_seconds, lag.age_seconds(1000.0)) == (0, 0.0, 0.0, 0.0)


def test_what_a_person_should_know() -> None:
    assert notes_on([seen(0, 9, 2)]) == []
    said = notes_on(
        [seen(0, 9, 2, first=5), seen(1, 9, 2, map_unreadable=True), seen(2, 9, 0, first=7, committed=False)]
    )
    assert len(said) == 2
    assert "partitions [1]" in said[0]
    assert "3 offsets" in said[1]


def test_owners_are_what_the_group_says() -> None:
    assert assigned_partitions(sight(seen(0), seen(1), owned=(1,))) == {at(1)}
