"""The worker's process over its real socket, on the CPU."""

import asyncio
import json
from array import array
from dataclasses import replace

import jsonschema
import pytest

from consumer.errors import WorkerCrashed
from tests.gpu.ads import SCHEMA, ad
from tests.gpu.process import GpuProcess, Judged, Opening, OutOfMemory, launch, settings

PREFIX = array("i", range(2000, 2040))


def test_a_batch_is_judged_over_the_socket(tiny, tiny_folder):
    async def judge() -> Judged | OutOfMemory:
        process = GpuProcess(settings(tiny_folder))
        try:
            opened = await process.start(Opening(PREFIX, {"verdict": SCHEMA}))
            assert (opened.model, opened.precision, opened.device) == ("tiny", "float32", "cpu")
            assert [name for name, _ in opened.phases] == ["device", "weights", "grammars", "warm_up", "calibration"]
            items = [ad(tiny, 30, ((8, 8), (4, 12)), seed=1, max_output=200), ad(tiny, 11, seed=2, max_output=200)]
            return await launch(process, items, reserve_bytes=2**20)
        finally:
            await process.close()

    judged = asyncio.run(judge())
    assert isinstance(judged, Judged)
    for answer in judged.answers:
        assert answer.finished
        jsonschema.validate(json.loads(answer.text), SCHEMA)


def test_an_error_that_is_not_a_shortage_costs_the_process_and_the_next_one_judges(tiny, tiny_folder):
    wrong = replace(ad(tiny, 30, ((8, 8),), seed=1), grids=((8, 6),))

    async def judge() -> Judged | OutOfMemory:
        process = GpuProcess(settings(tiny_folder))
        opening = Opening(PREFIX, {"verdict": SCHEMA})
        try:
            await process.start(opening)
            with pytest.raises(WorkerCrashed):
                await launch(process, [wrong])
            assert (process.pid, process.crashes) == (None, 1)
            await process.start(opening)
            return await launch(process, [ad(tiny, 30, ((8, 8),), seed=1)])
        finally:
            await process.close()

    assert isinstance(asyncio.run(judge()), Judged)


def test_who_asks_while_another_is_answered_waits_for_its_turn(tiny, tiny_folder):
    async def judge() -> tuple[Judged | OutOfMemory, int]:
        process = GpuProcess(settings(tiny_folder))
        try:
            await process.start(Opening(PREFIX, {"verdict": SCHEMA}))
            launched = launch(process, [ad(tiny, 11, seed=2)])
            judged, *_ = await asyncio.gather(launched, process.sample(), process.sample())
            return judged, process.crashes
        finally:
            await process.close()

    judged, crashes = asyncio.run(judge())
    assert isinstance(judged, Judged)
    assert crashes == 0
