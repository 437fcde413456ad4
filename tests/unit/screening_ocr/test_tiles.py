"""Tiles of long pages: nothing is left out, nothing is taken twice, and the work is bounded."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.screening.tiles import MAX_TILES, READABLE_SCALE, scale_of, tiles_of

SIDES = st.integers(1, 40_000)


@settings(deadline=None)
@given(SIDES, SIDES, st.integers(320, 10_000))
def test_tiles_cover_the_scaled_picture_and_each_line_has_a_tile(width: int, height: int, max_side: int) -> None:
    scale = scale_of(width, height, max_side)
    wide, high = max(1, round(width * scale)), max(1, round(height * scale))
    assert 0 < scale <= 1
    assert wide <= max_side
    tiles = tiles_of(wide, high, max_side)
    assert len(tiles) <= MAX_TILES
    assert (tiles[0].top, tiles[0].first) == (0, 0)
    assert (tiles[-1].bottom, tiles[-1].last) == (high, high)
    assert all(tile.bottom - tile.top <= max_side for tile in tiles)
    for upper, lower in pairwise(tiles):
        assert upper.last > lower.first  # no line falls between two tiles
        assert upper.bottom - lower.top >= wide / 2 - MAX_TILES  # a line of two characters is whole in one of them


def test_a_shop_page_is_read_at_its_own_size_and_a_poster_in_one_look() -> None:
    assert scale_of(750, 10_000, 2000) == 1
    assert len(tiles_of(750, 10_000, 2000)) == MAX_TILES
    assert scale_of(2000, 3000, 2000) >= READABLE_SCALE
    assert len(tiles_of(1333, 2000, 2000)) == 1
    assert scale_of(300, 100_000, 2000) < READABLE_SCALE
