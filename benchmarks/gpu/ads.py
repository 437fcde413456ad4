"""Seeded ads of every size: from 56 pixels to 12.8 megapixels, 1 to 20 pictures, short and long texts."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from consumer.engine import Prepared, Price
from consumer.messages import MemoryFile, Picture
from schemas import AdSubmission, Category

WORDS = "本品适用于成人每日两次饭后服用请遵医嘱详见说明书买一送一限时优惠全国包邮正品保证七天无理由退换"
LARGEST_SIDE = 3584
"""Squared, it is the 12.8 megapixels that the model takes at most."""
STANDARD = (896, 896)


@dataclass(frozen=True, slots=True)
class AdPlan:
    """What an ad looks like, before its pixels are made."""

    name: str
    category: Category
    chars: int
    sizes: tuple[tuple[int, int], ...]


def standard_ads(count: int, pictures: int) -> list[AdPlan]:
    """Ads of so many 896 × 896 pictures and 200 characters."""
    return [AdPlan(f"standard-{number}", Category.GENERAL, 200, (STANDARD,) * pictures) for number in range(count)]


def mixed_ads(count: int, seed: int) -> list[AdPlan]:
    """Two in five standard; the others small, large, many-pictured or long-winded."""
    draw = random.Random(seed)
    return [_mixed(draw, f"mixed-{seed}-{number}") for number in range(count)]


def _mixed(draw: random.Random, name: str) -> AdPlan:
    category = draw.choice(list(Category))
    kind = draw.random()
    chars = draw.randint(20, 400)
    if kind < 0.40:
        sizes: Sequence[tuple[int, int]] = [STANDARD]
    elif kind < 0.75:
        sizes = [_size(draw, 56, 500)]
    elif kind < 0.80:
        sizes = [_size(draw, 1200, LARGEST_SIDE)]
    elif kind < 0.93:
        sizes = [_size(draw, 100, 600) for _ in range(draw.randint(2, 6))]
    elif kind < 0.96:
        sizes = [_size(draw, 56, 400) for _ in range(draw.randint(12, 20))]
    else:
        sizes, chars = [STANDARD], draw.randint(5_000, 30_000)
    return AdPlan(name, category, chars, tuple(sizes))


def _size(draw: random.Random, least: int, most: int) -> tuple[int, int]:
    side = draw.uniform(least, most)
    aspect = draw.uniform(0.7, 1.4)
    return max(28, int(side * aspect**0.5)), max(28, int(side / aspect**0.5))


@contextmanager
def prepared(plan: AdPlan) -> Iterator[Prepared]:
    """The ad with pictures of noise; their memory is given back at the end."""
    draw = random.Random(plan.name)
    noise = np.random.default_rng(draw.getrandbits(32))
    pictures = [
        Picture(f"p{number}", f"{number:064x}", width, height, MemoryFile.of("noise", noise.bytes(width * height * 3)))
        for number, (width, height) in enumerate(plan.sizes)
    ]
    submission = AdSubmission.model_validate(
        {
            "submission_id": plan.name,
            "revision": 0,
            "advertiser": {"id": "benchmark"},
            "category": plan.category,
            "text": {"title": plan.name, "body": "".join(draw.choices(WORDS, k=plan.chars))},
            "submitted_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    )
    try:
        yield Prepared(submission, tuple(pictures), (), Price(bytes=0))
    finally:
        for picture in pictures:
            picture.pixels.close()
