"""The GPU judge behind the engine port, with its real processes on a device of a few bytes: every way an ad can end."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from consumer.engine import AdFacts, Findings, NeverFits, Prepared, Price
from consumer.errors import PermanentError, WorkerCrashed
from consumer.heartbeat import ReportsCapacity
from consumer.inference.engine import GpuEngine
from consumer.inference.gpu_process import GpuProcess
from consumer.messages import HeaderFacts, MemoryFile, Picture
from consumer.ops.metrics import Metrics
from consumer.policy.pack import load_pack
from consumer.screening.engine import ScreeningEngine
from consumer.settings import OcrSettings
from schemas import AdSubmission, Detector
from tests.gpu.process import settings

MIB = 2**20
CARD_BYTES = 1024 * MIB
HEADROOM_BYTES = 256 * MIB
SMALL, LARGE = (56, 56), (840, 840)


def facts(*sizes: tuple[int, int]) -> AdFacts:
    """What headers say of an ad with these pictures."""
    return AdFacts(10, tuple(HeaderFacts(f"p{number}", "image/png", 1, *size, 1) for number, size in enumerate(sizes)))


class Bench:
    """An engine, its metrics, and ads for it."""

    def __init__(self, engine: GpuEngine, metrics: Metrics, runner: asyncio.Runner, files: Path) -> None:
        self.engine = engine
        self.run = runner.run
        self._metrics = metrics
        self._files = files
        self._held = ExitStack()
        self._made = 0

    def ad(self, *sizes: tuple[int, int], body: str = "新品上市,到店可享试吃", name: str = "") -> Prepared:
        """An ad with pictures of noise."""
        self._made += 1
        noise = np.random.default_rng(self._made)
        pictures = []
        for number, (width, height) in enumerate(sizes):
            pixels = MemoryFile.of("noise", noise.bytes(width * height * 3))
            self._held.callback(pixels.close)
            pictures.append(Picture(f"p{number}", f"{number:064x}", width, height, pixels))
        submission = AdSubmission.model_validate(
            {
                "submission_id": name or f"ad-{self._made}",
                "revision": 0,
                "advertiser": {"id": "a"},
                "category": "general",
                "text": {"body": body},
                "submitted_at": datetime(2026, 1, 1, tzinfo=UTC),
            }
        )
        return Prepared(submission, tuple(pictures), (), Price(bytes=0))

    def judge(self, *ads: Prepared) -> list:
        """All at once."""

        async def all_of_them():
            return await asyncio.gather(*map(self.engine.judge, ads), return_exceptions=True)

        return self.run(all_of_them())

    def price(self, *sizes: tuple[int, int]) -> int:
        """Bytes that an ad with these pictures needs alone."""
        quoted = self.engine.quote(facts(*sizes))
        assert isinstance(quoted, Price)
        return quoted.bytes

    def leave(self, free_bytes: int) -> None:
        """A neighbour takes all of the card but so many bytes."""
        (self._files / "neighbour").write_text(str(self.engine.memory.free - free_bytes))

    def fail(self, *phases: str) -> None:
        """The next launches run out of memory there."""
        (self._files / "faults").write_text("".join(f"{phase} 0\n" for phase in phases))

    def count(self, name: str) -> float:
        """The sum of a counter over its labels."""
        lines = self._metrics.exposition().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def close(self) -> None:
        """Gives the pictures back."""
        self._held.close()


@contextmanager
def running(folder: Path, files: Path, card_bytes: int = CARD_BYTES, **changes: object) -> Iterator[Bench]:
    """A started engine whose card is an arena; at the end nothing may stay reserved, and no process alive."""
    asked = settings(folder, preparers=1, max_output_tokens=64, max_passes=2, **changes)
    whole, metrics = load_pack(None), Metrics()
    pack = whole.model_copy(update={"rules": whole.rules[:2]})  # a short prompt: attention on a CPU is slow
    process = GpuProcess(asked, module="tests.gpu.arena_worker")
    engine = GpuEngine(asked, pack, ScreeningEngine(pack, OcrSettings(), 64), metrics, process)
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as environment:
        environment.setenv("ARENA_BYTES", str(card_bytes))
        environment.setenv("ARENA_NEIGHBOUR", str(files / "neighbour"))
        environment.setenv("ARENA_FAULTS", str(files / "faults"))
        bench = Bench(engine, metrics, runner, files)
        try:
            runner.run(engine.start())
            yield bench
            assert engine.reserved_bytes == 0
        finally:
            bench.close()
            runner.run(engine.close())
            assert not engine.pids


@pytest.fixture(scope="module")
def shared(tiny_folder, tmp_path_factory) -> Iterator[Bench]:
    """One engine for all tests that need no settings of their own: a start takes longer than most of them."""
    with running(tiny_folder, tmp_path_factory.mktemp("arena"), min_visual_tokens=16) as bench:
        yield bench


@pytest.fixture
def bench(shared: Bench) -> Iterator[Bench]:
    """The card empty, and no faults planned."""
    shared.leave(shared.engine.memory.free)
    shared.fail()
    yield shared
    assert shared.engine.reserved_bytes == 0


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what nobody announces."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.01)


def test_findings_of_rules_and_model_come_together(bench):
    worded, pictured, bare = bench.judge(bench.ad(SMALL, body="全网最佳的手机"), bench.ad(LARGE, SMALL), bench.ad())
    assert any(found.detector is Detector.RULES and found.evidence.verified for found in worded.violations)
    assert pictured.visual_tokens == {"p0": 900, "p1": 4}
    for one in (worded, pictured, bare):
        assert one.model_ran
        assert one.gpu.peak_bytes <= 1.02 * one.gpu.predicted_bytes


@pytest.mark.parametrize("phase", ["reserve", "vision", "prefill", "decode"])
def test_memory_that_runs_out_in_a_batch_costs_no_ad(bench, phase):
    before = bench.count("advet_gpu_ooms_total"), bench.count("advet_gpu_rungs_total")
    bench.fail(phase, phase)
    outcomes = bench.judge(*(bench.ad(SMALL) for _ in range(6)))
    assert all(isinstance(outcome, Findings) for outcome in outcomes)
    assert bench.count("advet_gpu_ooms_total") == before[0] + 2
    assert bench.count("advet_gpu_rungs_total") > before[1] + 1


def test_an_ad_that_fails_alone_three_times_is_a_dead_letter_with_the_facts(bench):
    bench.fail("prefill", "prefill", "prefill")
    [outcome] = bench.judge(bench.ad(LARGE))
    assert isinstance(outcome, PermanentError)
    assert outcome.reason == "oom_exhausted"
    assert outcome.oom is not None
    assert outcome.oom.rung == "exhausted"
    assert outcome.oom.batch == 1
    assert outcome.oom.visual_tokens < 900, "the last try reads a smaller picture"
    assert outcome.oom.requested_bytes is not None
    [after] = bench.judge(bench.ad(SMALL))
    assert isinstance(after, Findings)


def test_nothing_is_dead_lettered_while_a_neighbour_holds_the_card(bench):
    async def squeezed():
        bench.leave(0)
        waiting = asyncio.gather(*(bench.engine.judge(bench.ad(SMALL)) for _ in range(4)))
        await until(lambda: bench.engine.capacity().reason == "gpu_memory")
        assert bench.engine.capacity().items == 0
        assert not waiting.done()
        bench.leave(bench.engine.memory.free)
        async with asyncio.timeout(60):
            outcomes = await waiting
        assert bench.engine.capacity().items > 0
        return outcomes

    assert all(one.model_ran for one in bench.run(squeezed()))


def test_others_are_told_what_the_card_can_take(bench):
    def shows(free_bytes: int) -> Callable[[], bool]:
        return lambda: abs(reported(bench).free_bytes - free_bytes) < MIB

    bench.leave(HEADROOM_BYTES)
    bench.run(until(shows(0)))
    bench.leave(bench.engine.memory.free)
    bench.run(until(shows(bench.engine.memory.free - HEADROOM_BYTES)))
    bench.judge(bench.ad(SMALL))
    told = reported(bench)
    assert told.fixed_bytes + 900 * told.visual_token_bytes + 500 * told.text_token_bytes >= bench.price(LARGE)
    assert told.ad_seconds > 0


def reported(bench):
    """What the engine says to the topic of consumers."""
    report = bench.engine.capacity_report()
    assert isinstance(bench.engine, ReportsCapacity)
    return report


def test_an_ad_that_is_passed_over_too_often_is_exhausted_while_others_are_judged(bench):
    async def crowded():
        bench.leave(HEADROOM_BYTES + bench.price(LARGE) * 2 // 3)
        starving = asyncio.create_task(bench.engine.judge(bench.ad(LARGE)))
        judged = []
        async with asyncio.timeout(90):
            while not starving.done():
                judged.append(await bench.engine.judge(bench.ad(SMALL)))
        with pytest.raises(PermanentError) as raised:
            await starving
        return raised.value, judged

    outcome, judged = bench.run(crowded())
    assert outcome.reason == "oom_exhausted"
    assert outcome.oom.other_processes_bytes > 0
    assert len(judged) >= 2
    assert all(isinstance(one, Findings) for one in judged)


def test_a_killed_process_costs_an_attempt_of_those_in_flight_and_is_replaced(bench):
    engine, starts, crashes = bench.engine, bench.count("advet_gpu_starts_total"), bench.engine.crashes
    ads = [bench.ad(LARGE) for _ in range(3)]

    async def killed():
        first = engine.process_pid
        running = asyncio.gather(*map(engine.judge, ads), return_exceptions=True)
        await until(lambda: engine.reserved_bytes > 0)
        os.kill(first, signal.SIGKILL)
        outcomes = await running
        assert any(isinstance(one, WorkerCrashed) for one in outcomes)
        await until(lambda: engine.process_pid not in (None, first))

    bench.run(killed())
    again = bench.judge(*ads)
    assert all(isinstance(one, Findings) for one in again)
    assert bench.count("advet_gpu_starts_total") == starts + 1
    assert engine.crashes == crashes + 1


def test_what_can_never_fit_shrinks_first_or_is_refused_before_anything_is_launched(shared, tiny_folder, tmp_path):
    room_bytes = shared.price(LARGE) * 2 // 3
    card_bytes = shared.engine.memory.allocated + HEADROOM_BYTES + room_bytes
    with running(tiny_folder, tmp_path, card_bytes, max_share=1, min_visual_tokens=200) as small:
        quoted = small.engine.quote(facts(LARGE))
        assert isinstance(quoted, Price)
        assert quoted.visual_tokens < 900
        [shrunk] = small.judge(small.ad(LARGE))
        assert "downscaled" in shrunk.degraded
        assert shrunk.downscaled == {"p0"}
        assert shrunk.visual_tokens["p0"] < 900

        launches = small.count("advet_gpu_batch_items_count")
        never = small.engine.quote(AdFacts(2_000_000, facts(LARGE).headers))
        assert isinstance(never, NeverFits)
        [refused] = small.judge(small.ad(LARGE, body="试吃" * 15_000))
        assert refused.reason == "oom_never_fits"
        assert refused.oom.rung == "never_fits"
        assert refused.oom.predicted_bytes > room_bytes
        assert small.count("advet_gpu_batch_items_count") == launches
