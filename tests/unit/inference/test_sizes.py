"""Resizing as the model's own library does it, and the sharing of visual tokens between pictures."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consumer.inference.sizes import (
    MAX_ASPECT,
    MAX_PIXELS,
    MIN_PIXELS,
    TOKEN_PIXELS,
    TOKEN_SIDE,
    fit,
    patches_of,
    share,
    shrink,
    visual_tokens_of,
)

SIDE = st.one_of(st.integers(1, 200), st.integers(1, 20_000))


@st.composite
def sizes(draw):
    size = draw(st.tuples(SIDE, SIDE))
    assume(max(size) <= MAX_ASPECT * min(size))
    return size


PICTURES = st.lists(sizes(), max_size=20)


@settings(deadline=None, max_examples=500)  # the first import of the library takes seconds
@given(SIDE, SIDE, st.integers(MIN_PIXELS, MAX_PIXELS))
def test_sizes_are_those_of_the_models_library(width, height, max_pixels):
    smart_resize = pytest.importorskip("qwen_vl_utils.vision_process", exc_type=ImportError).smart_resize
    try:
        rows, columns = smart_resize(height, width, TOKEN_SIDE, MIN_PIXELS, max_pixels)
    except ValueError:
        with pytest.raises(ValueError, match="aspect ratio over 200"):
            fit(width, height, max_pixels)
    else:
        assert fit(width, height, max_pixels) == (columns, rows)


def test_the_limits_are_those_of_the_models_library():
    library = pytest.importorskip("qwen_vl_utils.vision_process", exc_type=ImportError)
    assert library.MAX_RATIO == MAX_ASPECT
    assert library.IMAGE_MIN_TOKEN_NUM * TOKEN_PIXELS == MIN_PIXELS
    assert library.IMAGE_MAX_TOKEN_NUM * TOKEN_PIXELS == MAX_PIXELS


def test_known_sizes():
    assert fit(896, 896) == (896, 896)
    assert patches_of(896, 896) == 4096
    assert fit(1, 1) == (56, 56)
    assert fit(3584, 3584) == (3584, 3584)
    assert fit(3584, 3584, 12_288 * TOKEN_PIXELS) == (3080, 3080)


def test_fewer_pixels_than_the_model_takes_are_refused():
    with pytest.raises(ValueError, match="pictures of 3136 pixels and more"):
        fit(100, 100, MIN_PIXELS - 1)


def test_small_pictures_keep_their_size_and_large_ones_share_the_rest():
    small, large, larger = share([(280, 280), (2800, 2800), (3584, 3584)], 4_100)
    assert (small.width, small.height, small.shrunk) == (280, 280, False)
    assert large.shrunk
    assert larger.shrunk
    assert (large.width, large.height) == (larger.width, larger.height) == (1232, 1232)
    assert visual_tokens_of([small, large, larger]) == 100 + 2 * 44**2


@given(PICTURES, st.integers(0, 16_384))
def test_a_share_is_within_the_budget_or_the_smallest_there_is(pictures, budget):
    shares = share(pictures, budget)
    smallest = share(pictures, 0)
    assert visual_tokens_of(shares) <= max(budget, visual_tokens_of(smallest))
    assert len(shares) == len(pictures)
    for (width, height), one in zip(pictures, shares, strict=True):
        assert fit(width, height, one.max_pixels) == (one.width, one.height)
        assert one.patches > 0
        assert one.shrunk == ((one.width, one.height) != fit(width, height))


@given(PICTURES, st.integers(0, 16_383))
def test_more_budget_never_makes_a_picture_smaller(pictures, budget):
    less, more = share(pictures, budget), share(pictures, budget + 1)
    assert all(after.patches >= before.patches for before, after in zip(less, more, strict=True))


@given(PICTURES)
def test_nothing_shrinks_without_need(pictures):
    natural = sum(patches_of(*fit(*size)) for size in pictures) // 4
    assert not any(one.shrunk for one in share(pictures, natural))


@given(PICTURES, st.integers(4, 16_384), st.integers(4, 4096))
def test_halving_ends_and_stays_above_the_floor(pictures, budget, floor):
    shares = share(pictures, budget)
    steps = 0
    while (smaller := shrink(pictures, shares, floor)) is not None:
        used, least = visual_tokens_of(smaller), visual_tokens_of(share(pictures, 0))
        assert used < visual_tokens_of(shares)
        assert used <= max(visual_tokens_of(shares) // 2, floor, least)
        shares = smaller
        steps += 1
    assert steps <= 15


def test_halving_stops_at_the_floor():
    shares = share([(896, 896)], 12_288)
    assert (first := shrink([(896, 896)], shares, 400)) is not None
    assert visual_tokens_of(first) == 22**2
    assert (second := shrink([(896, 896)], first, 400)) is not None
    assert visual_tokens_of(second) == 400
    assert shrink([(896, 896)], second, 400) is None


def test_an_ad_without_pictures_cannot_shrink():
    assert share([], 12_288) == ()
    assert shrink([], (), 256) is None


def test_a_shrunk_picture_is_readable_while_its_shorter_side_is_long_enough():
    [banner] = share([(1200, 90)], 60)
    [square] = share([(896, 896)], 256)
    [whole] = share([(280, 56)], 1_000)
    assert [one.readable for one in (banner, square, whole)] == [False, True, True]
