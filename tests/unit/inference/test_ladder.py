"""The ladder after out of memory: its rungs in order, its bounds, its end."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.inference.ladder import MAX_TRIES, SUSPECT, Rung, Standing, after_oom

LAUNCHED = st.sampled_from(["vision", "prefill", "decode"])


def test_a_batch_is_halved_until_the_ad_is_alone():
    standing, seen = Standing(), []
    for batch in (11, 5, 2):
        standing = after_oom(standing, batch, "prefill")
        seen.append((standing.rung, standing.most, standing.tries, standing.pause_seconds))
    assert seen == [(Rung.HALVE, 5, 0, 0.0), (Rung.HALVE, 2, 0, 0.0), (Rung.ALONE, 1, 0, 0.0)]


@pytest.mark.parametrize("start", [Standing(), SUSPECT, Standing(Rung.ALONE, most=1)])
def test_an_ad_alone_has_three_tries_the_last_one_smaller(start):
    first = after_oom(start, 1, "vision")
    second = after_oom(first, 1, "decode")
    third = after_oom(second, 1, "prefill")
    assert first == Standing(Rung.ALONE, most=1, tries=1, pause_seconds=1.0)
    assert second == Standing(Rung.SMALLER, most=1, tries=2, pause_seconds=2.0)
    assert third.rung is Rung.EXHAUSTED
    assert third.tries == MAX_TRIES


def test_what_fails_before_the_launch_costs_nothing():
    assert after_oom(Standing(), 8, "reserve") == Standing(Rung.RELEASE)
    smaller = Standing(Rung.SMALLER, most=1, tries=2, pause_seconds=2.0)
    assert after_oom(smaller, 1, "reserve") == Standing(Rung.SMALLER, most=1, tries=2)


@given(st.data())
def test_every_ad_ends_within_its_bounds(data):
    """However launches are composed within what the standing allows, and wherever they fail."""
    standing, together, alone = Standing(), [], 0
    while standing.rung is not Rung.EXHAUSTED:
        most = standing.most or 120
        batch = data.draw(st.integers(1, most), label="batch")
        if data.draw(st.booleans(), label="reserve fails first"):
            waiting = after_oom(standing, batch, "reserve")
            assert (waiting.most, waiting.tries) == (standing.most, standing.tries)
        if batch > 1:
            together.append(batch)
        else:
            alone += 1
        standing = after_oom(standing, batch, data.draw(LAUNCHED, label="phase"))
        assert standing.pause_seconds <= 2.0
    assert alone == MAX_TRIES
    assert len(together) <= math.log2(together[0]) if together else True
