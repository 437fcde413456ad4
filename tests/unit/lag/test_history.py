"""Rates and standstill over a series of looks, on a clock of the test."""

import pytest

from consumer.lag.figures import Rates
from consumer.lag.history import History
from consumer.messages import Partition

from .sights import at, seen, sight

OWNED = frozenset({at(0)})


def told(
    looks: list[tuple[float, int, int]],
    owned: frozenset[Partition] = OWNED,
    paused: dict[int, tuple[str, ...]] | None = None,
) -> History:
    """A history of (seconds, end, low) of partition 0, stuck after 60 s."""
    history = History(60)
    for seconds, end, low in looks:
        history.add(sight(seen(0, end, low), at_seconds=seconds), owned, paused or {})
    return history


def test_one_look_tells_no_rate() -> None:
    assert told([(0, 10, 0)]).rates() == {}


def test_rates_are_taken_over_the_looks_of_a_minute() -> None:
    assert told([(0, 0, 0), (10, 100, 40)]).rates() == {at(): Rates(10, 4)}
    calm = [(second * 5.0, 1000, 1000) for second in range(30)]
    assert told([(-5, 0, 0), *calm]).rates() == {at(): Rates(0, 0)}


def test_long_intervals_keep_two_looks() -> None:
    assert told([(0, 0, 0), (300, 300, 600), (600, 600, 1200)]).rates() == {at(): Rates(1, 2)}


def test_what_runs_backwards_counts_as_standing_still() -> None:
    """A topic made anew, offsets set back by hand, an old answer of a new coordinator, a clock set back."""
    assert told([(0, 100, 90), (10, 5, 0)]).rates() == {at(): Rates(0, 0)}
    assert told([(10, 0, 0), (5, 10, 10)]).rates() == {at(): Rates(0, 0)}


def test_finished_ahead_counts_as_done() -> None:
    history = History(60)
    history.add(sight(seen(0, 10, 0), at_seconds=0), OWNED, {})
    history.add(sight(seen(0, 10, 0, finished=5), at_seconds=10), OWNED, {})
    assert history.rates() == {at(): Rates(0, 0.5)}


def test_standing_still_with_work_and_an_owner_is_stuck() -> None:
    looks = [(second * 20.0, 10, 3) for second in range(4)]
    assert told(looks[:3]).stuck() == frozenset()
    assert told(looks).stuck() == {at()}
    assert told([*looks, (80, 10, 4)]).stuck() == frozenset(), "it goes on"
    assert told([*looks, (80, 20, 3)]).stuck() == {at()}, "what comes in is no progress"


def test_nothing_to_do_a_pause_or_no_owner_is_not_stuck() -> None:
    assert told([(second * 20.0, 10, 10) for second in range(9)]).stuck() == frozenset()
    looks = [(second * 20.0, 10, 3) for second in range(9)]
    assert told(looks, paused={0: ("records", "storage")}).stuck() == frozenset()
    assert told(looks, paused={0: ("gpu_memory",)}).stuck() == frozenset()
    assert told(looks, owned=frozenset()).stuck() == frozenset()


@pytest.mark.parametrize("reason", ["records", "window", "isolated", "activating"])
def test_being_full_for_long_is_no_excuse(reason: str) -> None:
    assert told([(second * 20.0, 10, 3) for second in range(4)], paused={0: (reason,)}).stuck() == {at()}


def test_the_time_begins_when_the_reason_ends() -> None:
    history = History(60)
    for second in (0, 60, 120):
        history.add(sight(seen(0, 10, 3), at_seconds=second), OWNED, {0: ("storage",)})
    history.add(sight(seen(0, 10, 3), at_seconds=150), OWNED, {})
    assert history.stuck() == frozenset()
    history.add(sight(seen(0, 10, 3), at_seconds=180), OWNED, {})
    assert history.stuck() == {at()}


def test_a_partition_that_is_gone_is_forgotten() -> None:
    history = told([(0, 10, 3), (100, 10, 3)])
    history.add(sight(seen(1, 5, 5), at_seconds=200), frozenset(), {})
    assert (history.stuck(), history.rates()) == (frozenset(), {})
