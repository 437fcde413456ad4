"""Many ads through the engine while a neighbour comes closer, step by step, and leaves again."""

import asyncio
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gpu.ads import AdPlan, prepared
from benchmarks.gpu.neighbour import Neighbour
from consumer.errors import AdvetError, PermanentError
from consumer.inference.engine import GpuEngine
from schemas import OomFacts

GIB = 2**30
STILL_UNDER_WAY = 24
"""Ads of a step that are left when the neighbour makes its next move: it comes in the middle of launches."""
PAUSED_SECONDS = 6.0
"""How long the last step, in which nothing fits, lasts before the neighbour leaves."""


@dataclass
class Tally:
    """What became of the ads."""

    outcomes: Counter[str] = field(default_factory=Counter)
    escaped: list[str] = field(default_factory=list)
    """Errors that are neither verdict nor dead letter: there must be none."""
    launches: set[tuple[int, int]] = field(default_factory=set)
    """Predicted and observed peak bytes."""
    facts: list[OomFacts] = field(default_factory=list)
    paused_seconds: float = 0.0


async def run_mixed(
    engine: GpuEngine, neighbour: Neighbour, plans: Sequence[AdPlan], leave_gib: Sequence[float]
) -> dict[str, Any]:
    """One part of the ads for each step; it begins when the neighbour has moved. The later the step, the slower."""
    free_bytes = engine.memory.free
    tally, under_way, steps, offered = Tally(), set[asyncio.Task[None]](), [], 0
    parts = iter(plans)
    for gib, share in zip(leave_gib, shares_of(leave_gib), strict=True):
        moved = await neighbour.hold(max(0, int(free_bytes - gib * GIB)))
        started, before = time.monotonic(), sum(tally.outcomes.values())
        leaving = asyncio.create_task(_leave(neighbour)) if gib == 0 else None
        for plan in itertools.islice(parts, round(share * len(plans))):
            await _room(engine, tally)
            offered += 1
            task = asyncio.create_task(_judge(engine, plan, tally))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if leaving:
            await leaving
        while len(under_way) > STILL_UNDER_WAY and gib:  # the neighbour moves while launches run
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        if gib == leave_gib[-1]:
            await asyncio.gather(*under_way)
        seconds = time.monotonic() - started
        done = sum(tally.outcomes.values()) - before
        steps.append({"leave_gib": gib, **moved, "seconds": seconds, "ads": done, "ads_per_second": done / seconds})
    return {
        "ads": offered,
        "outcomes": dict(tally.outcomes),
        "lost": offered - sum(tally.outcomes.values()),
        "escaped": tally.escaped,
        "paused_seconds": tally.paused_seconds,
        "reserved_at_end": engine.reserved_bytes,
        "steps": steps,
        "price": price_errors(tally.launches),
        "facts": [facts.model_dump() for facts in tally.facts[:5]],
    }


def shares_of(leave_gib: Sequence[float]) -> list[float]:
    """How large each step's part is: steps with little memory are slow, and say the same with fewer ads."""
    weights = [2 + min(gib, 10) for gib in leave_gib]
    return [weight / sum(weights) for weight in weights]


async def _leave(neighbour: Neighbour) -> None:
    await asyncio.sleep(PAUSED_SECONDS)
    await neighbour.hold(0)


async def _room(engine: GpuEngine, tally: Tally) -> None:
    while not (capacity := engine.capacity()).items:
        await asyncio.sleep(0.02)
        if capacity.reason == "gpu_memory":
            tally.paused_seconds += 0.02


async def _judge(engine: GpuEngine, plan: AdPlan, tally: Tally) -> None:
    with prepared(plan) as ad:
        try:
            findings = await engine.judge(ad)
        except PermanentError as error:
            tally.outcomes[error.reason] += 1
            if error.oom:
                tally.facts.append(error.oom)
        except AdvetError as error:
            tally.outcomes["escaped"] += 1
            tally.escaped.append(f"{type(error).__name__}: {error}")
        else:
            tally.outcomes["verdict"] += 1
            if findings.gpu:
                tally.launches.add((findings.gpu.predicted_bytes, findings.gpu.peak_bytes))


def price_errors(launches: set[tuple[int, int]]) -> dict[str, Any]:
    """Relative errors of the price: median of all, and the worst hundredth of those below what was observed."""
    if not launches:
        return {"launches": 0}
    errors = sorted(abs(predicted - peak) / peak for predicted, peak in launches)
    under = sorted(max(0.0, (peak - predicted) / peak) for predicted, peak in launches)
    return {
        "launches": len(launches),
        "median_error": statistics.median(errors),
        "p99_under_prediction": under[int(0.99 * (len(under) - 1))],
        "max_under_prediction": under[-1],
        "pairs": sorted(launches),
    }
