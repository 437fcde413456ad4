"""Every metric of the GPU judge is moved by what it is about."""

import asyncio

import pytest

from consumer.engine import Findings
from consumer.ops.metrics import Metrics
from consumer.ops.metrics.gpu import MEMORY_KINDS, PHASES
from tests.gpu.test_engine import SMALL, running, until


@pytest.fixture(scope="module")
def bench(tiny_folder, tmp_path_factory):
    with running(tiny_folder, tmp_path_factory.mktemp("metered"), min_visual_tokens=16) as bench:
        yield bench


def test_launches_memory_and_shortages_move_every_metric(bench):
    """A neighbour takes the card, gives it back; a launch, then one that runs out of memory."""
    moved = set()

    def note(name: str, value: float) -> None:
        assert value > 0, name
        moved.add(name)

    async def starved() -> None:
        bench.leave(0)
        judging = asyncio.create_task(bench.engine.judge(bench.ad(SMALL)))
        await until(lambda: bench.count("advet_gpu_waiting ") == 1)
        await until(lambda: bench.count('advet_gpu_memory_bytes{kind="others"}') > 0)
        assert bench.count("advet_gpu_budget_bytes ") < bench.engine.memory.free / 2
        note("advet_gpu_waiting", 1)
        bench.leave(bench.engine.memory.free)
        await until(lambda: bench.count("advet_gpu_reserved_bytes ") > 0)
        note("advet_gpu_reserved_bytes", 1)
        assert isinstance(await judging, Findings)

    bench.run(starved())
    assert bench.count("advet_gpu_reserved_bytes ") == 0
    for kind in MEMORY_KINDS:
        if kind != "others":
            note("advet_gpu_memory_bytes", bench.count(f'advet_gpu_memory_bytes{{kind="{kind}"}}'))
    note("advet_gpu_budget_bytes", bench.count("advet_gpu_budget_bytes "))
    note("advet_gpu_starts_total", bench.count("advet_gpu_starts_total"))
    for source in ("predicted", "observed"):
        note("advet_gpu_peak_bytes", bench.count(f'advet_gpu_peak_bytes{{source="{source}"}}'))
    for name in ("advet_gpu_batch_items", "advet_gpu_price_ratio", "advet_gpu_phase_seconds"):
        note(name, bench.count(f"{name}_count"))
        note(name, bench.count(f"{name}_sum"))
    for phase in PHASES[1:]:
        note("advet_gpu_phase_seconds", bench.count(f'advet_gpu_phase_seconds_count{{phase="{phase}"}}'))

    bench.fail("prefill")
    assert all(isinstance(one, Findings) for one in bench.judge(*(bench.ad(SMALL) for _ in range(2))))
    note("advet_gpu_ooms_total", bench.count('advet_gpu_ooms_total{phase="prefill"}'))
    note("advet_gpu_rungs_total", bench.count('advet_gpu_rungs_total{rung="alone"}'))
    assert moved == {one.name for one in Metrics().book.definitions if one.name.startswith("advet_gpu_")}
