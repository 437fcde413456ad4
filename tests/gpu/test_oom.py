"""Out of memory in every phase: told, given back, and without effect on the next launch. One worker serves them all."""

import asyncio
from array import array
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from consumer.inference.gpu_process import Opened
from consumer.inference.price import price
from tests.gpu.ads import SCHEMA, ad
from tests.gpu.process import GpuProcess, Judged, Opening, OutOfMemory, launch, settings, shape_of

T = TypeVar("T")
MIB = 2**20
LIMIT_BYTES = 1024 * MIB


@dataclass(frozen=True, slots=True)
class Arena:
    """A worker on an arena."""

    runner: asyncio.Runner
    process: GpuProcess
    opened: Opened
    neighbour: Path
    faults: Path

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs to its end."""
        return self.runner.run(work)


@pytest.fixture(scope="module")
def arena(tiny_folder, tmp_path_factory) -> Iterator[Arena]:
    files = tmp_path_factory.mktemp("arena")
    process = GpuProcess(settings(tiny_folder), module="tests.gpu.arena_worker")
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ARENA_BYTES", str(LIMIT_BYTES))
        environment.setenv("ARENA_NEIGHBOUR", str(files / "neighbour"))
        environment.setenv("ARENA_FAULTS", str(files / "faults"))
        opened = runner.run(process.start(Opening(array("i", range(2000, 2040)), {"verdict": SCHEMA})))
        yield Arena(runner, process, opened, files / "neighbour", files / "faults")
        runner.run(process.close())


def batch(tiny):
    return [ad(tiny, 30, ((8, 8), (4, 12)), seed=1), ad(tiny, 300, seed=2), ad(tiny, 20, ((16, 16),), seed=3)]


@pytest.mark.parametrize("allocation", [0, 7, 31])
@pytest.mark.parametrize("phase", ["vision", "prefill", "decode"])
def test_an_oom_in_the_middle_of_a_launch_leaves_nothing_behind(tiny, arena, phase, allocation):
    before = arena.do(arena.process.sample())
    arena.faults.write_text(f"{phase} {allocation}")
    outcome = arena.do(launch(arena.process, batch(tiny), MIB))
    assert isinstance(outcome, OutOfMemory)
    assert outcome.phase == phase
    assert outcome.requested is not None
    assert outcome.memory == before
    again = arena.do(launch(arena.process, batch(tiny), MIB))
    assert isinstance(again, Judged)
    assert again.answers == arena.do(launch(arena.process, batch(tiny), MIB)).answers
    assert again.memory.allocated == before.allocated


def test_what_a_neighbour_took_is_found_out_before_the_launch(tiny, arena):
    free = arena.do(arena.process.sample()).free
    arena.neighbour.write_text(str(free - 2 * MIB))
    assert arena.do(arena.process.sample()).free == 2 * MIB
    refused = arena.do(launch(arena.process, batch(tiny), 4 * MIB))
    assert (refused.phase, refused.requested) == ("reserve", 4 * MIB)
    arena.neighbour.write_text("0")
    assert isinstance(arena.do(launch(arena.process, batch(tiny), 4 * MIB)), Judged)


MIXES = {
    "text beside a picture": lambda m: [ad(m, 400, ((8, 8),), seed=1)],
    "several pictures": lambda m: [ad(m, 20, ((32, 32), (8, 16), (4, 4)), seed=2, max_output=64)],
    "all sizes": lambda m: [ad(m, 40 * n, ((2 * n, 20),), seed=n) for n in range(2, 10)],
    "many short ads": lambda m: [ad(m, 50, seed=n, max_output=100) for n in range(24)],
    "larger than a call": lambda m: [ad(m, 10, ((48, 48),), seed=3), ad(m, 700, seed=4)],
}


@pytest.mark.parametrize("mix", MIXES)
def test_calibrated_prices_hold_for_launches_of_other_shapes(tiny, arena, mix):
    items = MIXES[mix](tiny)
    predicted = price([shape_of(item) for item in items], arena.opened.coefficients)
    observed = arena.do(launch(arena.process, items)).peaks
    for expected, peak in zip(
        (predicted.vision, predicted.prefill, predicted.decode),
        (observed.vision, observed.prefill, observed.decode),
        strict=True,
    ):
        assert 0.8 * expected <= peak <= 1.02 * expected
