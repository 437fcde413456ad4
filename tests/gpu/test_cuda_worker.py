"""The worker's process on a real card: judges, refuses what cannot be reserved, and prices what it does."""

import asyncio
from array import array

import pytest

from consumer.inference.price import price
from tests.gpu.ads import SCHEMA, ad
from tests.gpu.process import GpuProcess, Judged, Opening, OutOfMemory, launch, settings, shape_of

pytestmark = pytest.mark.gpu

MIB = 2**20


def items(model):
    return [
        ad(model, 30, ((8, 12), (4, 4), (16, 6)), seed=1),
        ad(model, 11, seed=2),
        ad(model, 600, ((40, 40),), seed=4, max_output=64),
    ] * 5


def test_the_workers_process_judges_refuses_and_prices_on_the_card(tiny_folder, tiny):
    async def use():
        process = GpuProcess(settings(tiny_folder, device="cuda", vision_patches=4096, prefill_tokens=2048))
        try:
            opened = await process.start(Opening(array("i", range(2000, 2040)), {"verdict": SCHEMA}))
            assert opened.precision == "bfloat16"
            before = await process.sample()
            refused = await launch(process, items(tiny), reserve_bytes=before.total)
            judged = await launch(process, items(tiny), reserve_bytes=64 * MIB)
            return opened, before, refused, judged, await process.sample()
        finally:
            await process.close()

    opened, before, refused, judged, after = asyncio.run(use())
    assert isinstance(refused, OutOfMemory)
    assert refused.phase == "reserve"
    assert isinstance(judged, Judged)
    assert after.allocated == before.allocated
    predicted = price([shape_of(item) for item in items(tiny)], opened.coefficients)
    for expected, peak in zip(
        (predicted.vision, predicted.prefill, predicted.decode),
        (judged.peaks.vision, judged.peaks.prefill, judged.peaks.decode),
        strict=True,
    ):
        assert peak <= 1.02 * expected
