"""How OCR looks at a picture: whole, scaled down to `max_side`, or a long page in tiles from top to bottom. Pure.

The detail pages of shops are 750 pixels wide and many thousands long; shrunk to one look, their print is gone.
Neighbouring tiles overlap by half the page's width, so that any line of two or more characters is whole in one.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

READABLE_SCALE: Final = 0.5
"""A picture scaled down further than this was not read: its small print is gone."""
MAX_TILES: Final = 6
_DOUBT_PX: Final = 8
"""Two looks at one line may differ by this much; a line this close to a seam is kept from both."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Rows `top` to `bottom` of the scaled page; lines with their middle between `first` and `last` are its own."""

    top: int
    bottom: int
    first: float
    last: float


def scale_of(width: int, height: int, max_side: int) -> float:
    """By how much the picture is scaled before OCR looks at it, at most 1."""
    whole = min(1.0, max_side / max(width, height))
    if whole >= READABLE_SCALE or height <= width:
        return whole
    longest = MAX_TILES * max_side / (height + (MAX_TILES - 1) * width / 2)
    return max(whole, min(1.0, max_side / 2 / width, longest))


def tiles_of(width: int, height: int, max_side: int) -> list[Tile]:
    """The looks that cover a scaled picture, at most MAX_TILES."""
    if height <= max_side:
        return [Tile(0, height, 0, height)]
    overlap = ceil(width / 2)
    count = min(MAX_TILES, ceil((height - overlap) / (max_side - overlap)))
    tops = [round(number * (height - max_side) / (count - 1)) for number in range(count)]
    seams = [(upper + max_side + lower) / 2 for upper, lower in pairwise(tops)]
    firsts = [0.0, *(seam - _DOUBT_PX for seam in seams)]
    lasts = [*(seam + _DOUBT_PX for seam in seams), float(height)]
    return [Tile(top, top + max_side, first, last) for top, first, last in zip(tops, firsts, lasts, strict=True)]
