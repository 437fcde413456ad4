"""How far a score would move with other ads: percentile intervals, resampled by template. Pure, seeded.

Ads made from one combination of phrases succeed or fail together, so templates are drawn, not ads: drawn by ad, the
intervals would be too narrow.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from consumer.evaluation.metrics import Scores, Tally, scores

SAMPLES: Final = 400
_TAILS: Final = (2.5, 97.5)

Interval = tuple[float, float]


def intervals(tallies: Mapping[str, Tally], seed: int, samples: int = SAMPLES) -> dict[str, Interval]:
    """Score → 95 % interval, from the counts of each template."""
    if len(tallies) < 2:
        return {}
    names = sorted(set().union(*tallies.values()))
    matrix = np.array([[counts[name] for name in names] for counts in tallies.values()], dtype=np.int64)
    draws = np.random.default_rng(seed).multinomial(len(tallies), np.full(len(tallies), 1 / len(tallies)), size=samples)
    drawn: dict[str, list[float]] = {}
    for row in (draws @ matrix).tolist():
        for name, value in _scores(names, row).items():
            drawn.setdefault(name, []).append(value)
    return {name: _interval(values) for name, values in drawn.items()}


def _scores(names: list[str], counts: list[int]) -> Scores:
    return scores(Counter(dict(zip(names, counts, strict=True))))


def _interval(values: list[float]) -> Interval:
    low, high = np.percentile(values, _TAILS)
    return float(low), float(high)
