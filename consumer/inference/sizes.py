"""How large pictures are when the model reads them, and how an ad's pictures share its visual tokens. Pure.

The arithmetic of `qwen_vl_utils.smart_resize` is repeated here, so that a header is enough to price an ad; a test
holds the two equal. One visual token is a square of `TOKEN_SIDE` pixels.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consumer.inference.work import PATCHES_PER_TOKEN

TOKEN_SIDE: Final = 28
TOKEN_PIXELS: Final = TOKEN_SIDE**2
MIN_PIXELS: Final = 4 * TOKEN_PIXELS
"""Smaller pictures are enlarged."""
MAX_PIXELS: Final = 16_384 * TOKEN_PIXELS
"""The most that the model takes of one picture."""
MAX_ASPECT: Final = 200
"""Longer over shorter side that the model takes."""
READABLE_SIDE: Final = 448
"""A picture made smaller whose shorter side is below this may have lost its small print."""

Size = tuple[int, int]
"""Width and height in pixels."""


def fit(width: int, height: int, max_pixels: int = MAX_PIXELS) -> Size:
    """Width and height after resizing, multiples of `TOKEN_SIDE`.

    Raises ValueError for an aspect ratio over `MAX_ASPECT`, and for fewer than `MIN_PIXELS`.
    A long picture has no pixels left (0) when `max_pixels` is below its aspect ratio in tokens, as with
    `smart_resize`; `share` never goes there.
    """
    if max_pixels < MIN_PIXELS:
        raise ValueError(f"max_pixels is {max_pixels}; the model takes pictures of {MIN_PIXELS} pixels and more")
    if max(width, height) / min(width, height) > MAX_ASPECT:
        raise ValueError(f"{width}×{height} has an aspect ratio over {MAX_ASPECT}; refuse it at the header gate")
    columns, rows = max(1, round(width / TOKEN_SIDE)), max(1, round(height / TOKEN_SIDE))
    pixels = columns * rows * TOKEN_PIXELS
    if pixels > max_pixels:
        scale = math.sqrt(height * width / max_pixels)
        columns, rows = math.floor(width / scale / TOKEN_SIDE), math.floor(height / scale / TOKEN_SIDE)
    elif pixels < MIN_PIXELS:
        scale = math.sqrt(MIN_PIXELS / (height * width))
        columns, rows = math.ceil(width * scale / TOKEN_SIDE), math.ceil(height * scale / TOKEN_SIDE)
    return columns * TOKEN_SIDE, rows * TOKEN_SIDE


def patches_of(width: int, height: int) -> int:
    """Vision patches of a picture whose sides come from `fit`."""
    return width * height // TOKEN_PIXELS * PATCHES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Share:
    """What one picture gets of its ad's visual tokens."""

    max_pixels: int
    """What the picture is to be resized with."""
    width: int
    height: int
    shrunk: bool
    """Whether the model would have read a larger one."""

    @property
    def patches(self) -> int:
        """Vision patches after resizing."""
        return patches_of(self.width, self.height)

    @property
    def readable(self) -> bool:
        """Whether small print survived, as far as sizes tell."""
        return not self.shrunk or min(self.width, self.height) >= READABLE_SIDE


def share(pictures: Sequence[Size], visual_tokens: int) -> tuple[Share, ...]:
    """Shares `visual_tokens` fairly: small pictures keep their size, the others get the same number of tokens each.

    In sum no more than `visual_tokens`, unless the smallest form of every picture is more than that already.
    Raises ValueError as `fit` does.
    """

    def tokens(level: int) -> int:
        return sum(one.patches for one in _at(pictures, level)) // PATCHES_PER_TOKEN

    most = MAX_PIXELS // TOKEN_PIXELS
    level = bisect_right(range(1, most + 1), visual_tokens, key=tokens)
    return _at(pictures, max(1, level))


def shrink(pictures: Sequence[Size], shares: Sequence[Share], floor_tokens: int) -> tuple[Share, ...] | None:
    """The same pictures with half of the visual tokens, but not below `floor_tokens`; None when that gains nothing."""
    used = visual_tokens_of(shares)
    smaller = share(pictures, max(used // 2, floor_tokens))
    return smaller if visual_tokens_of(smaller) < used else None


def visual_tokens_of(shares: Sequence[Share]) -> int:
    """Tokens that the language model reads of all pictures."""
    return sum(one.patches for one in shares) // PATCHES_PER_TOKEN


def _at(pictures: Sequence[Size], level: int) -> tuple[Share, ...]:
    """Every picture with at most `level` tokens, or its smallest form."""
    return tuple(_share_of(width, height, level * TOKEN_PIXELS) for width, height in pictures)


def _share_of(width: int, height: int, max_pixels: int) -> Share:
    aspect = max(width, height) / min(width, height)
    # the shorter side keeps one token; a hair more, since `fit` rounds down
    max_pixels = max(max_pixels, MIN_PIXELS, math.ceil(aspect * TOKEN_PIXELS * 1.001))
    size = fit(width, height, max_pixels)
    return Share(max_pixels, *size, shrunk=patches_of(*size) < patches_of(*fit(width, height)))
