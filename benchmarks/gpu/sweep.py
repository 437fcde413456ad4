"""Ads a second against free memory: admission by price beside the best fixed batch that a person could choose."""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gpu.ads import AdPlan, prepared
from benchmarks.gpu.neighbour import Neighbour
from consumer.inference import prompt
from consumer.inference.gpu_process import GpuProcess, Judged, Launchable
from consumer.inference.ladder import Standing
from consumer.inference.launches import Launches
from consumer.inference.memory import available
from consumer.inference.preparing import Preparing
from consumer.inference.price import price
from consumer.inference.sizes import share
from consumer.policy.pack import PolicyPack
from consumer.settings import GpuSettings

GIB = 2**30
SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96)


async def launchables(
    plans: Sequence[AdPlan], pack: PolicyPack, preparing: Preparing, settings: GpuSettings
) -> list[Launchable]:
    """All ads prepared before any clock runs; the caller closes their payloads."""

    async def one(plan: AdPlan) -> Launchable:
        with prepared(plan) as ad:
            asked = prompt.build(pack, ad.submission, [picture.asset_id for picture in ad.pictures], ())
            shares = share(plan.sizes, settings.max_visual_tokens)
            return (await preparing.prepare(asked, ad.pictures, shares)).launchable

    return list(await asyncio.gather(*map(one, plans)))


async def run_sweep(
    launches: Launches,
    process: GpuProcess,
    neighbour: Neighbour,
    ads: Sequence[Launchable],
    leave_gib: Sequence[float],
    max_share: float,
    row_seconds: float,
) -> list[dict[str, Any]]:
    """One row for each amount of memory: medians of as many rounds as `row_seconds` an amount allow.

    The amounts take turns, so that a card that grows faster or slower meanwhile does so for all of them.
    """
    free_bytes = launches.opened.memory.free
    rows = [_Row(gib) for gib in leave_gib]
    until = time.monotonic() + row_seconds * len(rows)
    rounds = 0
    while not rounds or time.monotonic() < until:
        for row in rows:
            await neighbour.hold(max(0, int(free_bytes - row.leave_gib * GIB)))
            budget = available(await process.sample(), max_share)
            for size in _choices(launches, ads, budget):
                row.fixed.setdefault(size, []).append(await _fixed(launches, process, ads, size))
            row.mine.append(await _admitted(launches, ads, budget))
            print(row.figures(), file=sys.stderr, flush=True)
        rounds += 1
    return [row.figures() for row in rows]


@dataclass(slots=True)
class _Row:
    """Ads a second with so much memory, run by run."""

    leave_gib: float
    mine: list[float] = field(default_factory=list)
    fixed: dict[int, list[float]] = field(default_factory=dict)
    """By batch size."""

    def figures(self) -> dict[str, Any]:
        by_hand = {size: statistics.median(runs) for size, runs in self.fixed.items()}
        best = max(by_hand, key=by_hand.__getitem__, default=0)
        median = statistics.median(self.mine)
        return {
            "leave_gib": self.leave_gib,
            "advet_ads_per_second": median,
            "advet_runs": self.mine,
            "fixed_runs": self.fixed,
            "best_fixed": {"batch": best, "ads_per_second": by_hand.get(best, 0.0)},
            "ratio": median / by_hand[best] if by_hand.get(best) else None,
        }


def _choices(launches: Launches, ads: Sequence[Launchable], budget: int) -> Sequence[int]:
    """The two largest batch sizes of which every batch of these ads keeps the headroom that advet keeps."""
    coefficients = launches.opened.coefficients
    fitting = [
        size
        for size in SIZES
        if size <= len(ads)
        and all(price([ad.shape for ad in batch], coefficients).peak <= budget for batch in _batches(ads, size))
    ]
    return fitting[-2:]


def _batches(ads: Sequence[Launchable], size: int) -> list[Sequence[Launchable]]:
    return [ads[start : start + size] for start in range(0, len(ads), size)]


async def _fixed(launches: Launches, process: GpuProcess, ads: Sequence[Launchable], size: int) -> float:
    started = time.monotonic()
    judged = 0
    for batch in _batches(ads, size):
        reserve = price([ad.shape for ad in batch], launches.opened.coefficients).peak
        outcome = await process.launch(batch, reserve)
        judged += len(batch) if isinstance(outcome, Judged) else 0
    return judged / (time.monotonic() - started)


async def _admitted(launches: Launches, ads: Sequence[Launchable], budget: int) -> float:
    if min(launches.alone(ad.shape) for ad in ads) > budget:
        return 0.0  # they would wait, with partitions paused
    started = time.monotonic()
    await asyncio.gather(*(launches.judge(ad, Standing()) for ad in ads))
    return len(ads) / (time.monotonic() - started)
