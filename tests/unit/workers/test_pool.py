"""The pool on real processes: what a worker does wrong costs that worker, its own caller, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine

import pytest

from consumer.errors import WorkerCrashed
from consumer.messages import MemoryFile
from consumer.workers.pool import WorkerPool, WorkerSpec, WorkersUnavailable, WorkerTimeout
from tests.processes import exists, open_descriptors

Scenario = Callable[[WorkerPool], Coroutine[None, None, None]]


def spec(*args: str, **changes: float) -> WorkerSpec:
    settings = {"start_seconds": 20.0, **changes}
    return WorkerSpec("test", "tests.unit.workers.misbehaving", args, **settings)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.01)


def on_pool(scenario: Scenario, size: int = 1, worker: WorkerSpec | None = None) -> None:
    """Runs the scenario on a started pool, closes it, and proves that neither process nor descriptor is left."""

    async def run() -> None:
        pool = WorkerPool(worker or spec(), size)
        await pool.start()
        pids = set(pool.pids)
        try:
            await scenario(pool)
        finally:
            pids |= pool.pids
            await pool.close()
        assert not [pid for pid in pids if exists(pid)]

    before = open_descriptors()
    asyncio.run(run())
    assert open_descriptors() == before


def test_answers_and_passes_descriptors() -> None:
    async def scenario(pool: WorkerPool) -> None:
        file = MemoryFile.zeros("out", 3)
        await pool.call({"do": "write", "text": "广"}, [file.fd], 5)
        assert file.read().decode() == "广"
        file.close()

    on_pool(scenario)


def test_two_hundred_calls_leak_no_descriptor_on_either_side() -> None:
    async def scenario(pool: WorkerPool) -> None:
        (pid,) = pool.pids
        file = MemoryFile.of("in", b"x")
        await pool.call({"do": "echo"}, [file.fd], 5)
        ours, theirs = open_descriptors(), open_descriptors(pid)
        for number in range(200):
            answer = await pool.call({"do": "echo", "text": str(number)}, [file.fd], 5)
            assert answer["echo"] == str(number)
        assert (open_descriptors(), open_descriptors(pid)) == (ours, theirs)
        file.close()

    on_pool(scenario)


def test_replacing_workers_leaks_no_descriptor() -> None:
    async def scenario(pool: WorkerPool) -> None:
        pids = set()
        for _ in range(6):
            pids.add((await pool.call({"do": "echo"}, [], 20))["pid"])
        assert len(pids) == 3
        assert pool.crashes == 0

    on_pool(scenario, worker=spec(requests_per_worker=2))


@pytest.mark.parametrize("wrong", ["die", "raise", "garbage", "deep"])
def test_a_worker_that_fails_costs_its_caller_only(wrong: str) -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(WorkerCrashed):
            await pool.call({"do": wrong}, [], 5)
        assert pool.crashes == 1
        assert (await pool.call({"do": "echo", "text": "next"}, [], 5))["echo"] == "next"

    on_pool(scenario)


def test_a_worker_that_overruns_is_killed() -> None:
    async def scenario(pool: WorkerPool) -> None:
        (pid,) = pool.pids
        with pytest.raises(WorkerTimeout, match=r"longer than 0\.2 s"):
            await pool.call({"do": "hang"}, [], 0.2)
        assert not exists(pid)
        assert (await pool.call({"do": "echo", "text": "next"}, [], 5))["echo"] == "next"

    on_pool(scenario)


def test_what_a_worker_says_out_of_turn_reaches_no_caller() -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(WorkerCrashed, match="nonsense"):
            await pool.call({"do": "twice"}, [], 5)
        assert (await pool.call({"do": "echo", "text": "mine"}, [], 5))["echo"] == "mine"

    on_pool(scenario)


def test_the_late_answer_of_a_cancelled_call_never_reaches_the_next_caller() -> None:
    async def scenario(pool: WorkerPool) -> None:
        (pid,) = pool.pids
        call = asyncio.create_task(pool.call({"do": "hang"}, [], 30))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not exists(pid)
        assert (await pool.call({"do": "echo", "text": "mine"}, [], 5))["echo"] == "mine"

    on_pool(scenario)


def test_a_call_cancelled_twice_gives_its_place_back() -> None:
    async def scenario(pool: WorkerPool) -> None:
        call = asyncio.create_task(pool.call({"do": "hang"}, [], 30))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(20):
            assert (await pool.call({"do": "echo", "text": "mine"}, [], 5))["echo"] == "mine"

    on_pool(scenario)


def test_a_worker_killed_while_idle_fails_no_call_and_is_counted() -> None:
    async def scenario(pool: WorkerPool) -> None:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not exists(pid))
        assert (await pool.call({"do": "echo", "text": "mine"}, [], 5))["echo"] == "mine"
        assert pool.crashes == 1

    on_pool(scenario)


def test_calls_that_wait_for_a_worker_are_counted() -> None:
    async def scenario(pool: WorkerPool) -> None:
        calls = [asyncio.create_task(pool.call({"do": "echo", "text": "x"}, [], 5)) for _ in range(5)]
        await asyncio.sleep(0)
        assert pool.waiting == 4
        calls[-1].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert pool.waiting == 0

    on_pool(scenario)


def test_close_ends_calls_under_way_and_waiting() -> None:
    async def scenario(pool: WorkerPool) -> None:
        calls = [asyncio.create_task(pool.call({"do": "hang"}, [], 30)) for _ in range(3)]
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await pool.close()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [WorkersUnavailable] * 3
        with pytest.raises(WorkersUnavailable):
            await pool.call({"do": "echo"}, [], 5)

    on_pool(scenario, size=2)


def test_close_does_not_wait_for_a_worker_that_starts() -> None:
    async def run() -> None:
        pool = WorkerPool(spec("silent", start_seconds=60), 1)
        starting = asyncio.create_task(pool.start())
        await until(lambda: bool(pool.pids))
        (pid,) = pool.pids
        async with asyncio.timeout(10):
            await pool.close()
            with pytest.raises(WorkersUnavailable):
                await starting
        assert not exists(pid)

    before = open_descriptors()
    asyncio.run(run())
    assert open_descriptors() == before


@pytest.mark.parametrize("fault", ["exit", "silent"])
def test_a_pool_that_cannot_start_says_so_and_leaves_nothing(fault: str) -> None:
    async def run() -> None:
        pool = WorkerPool(spec(fault, start_seconds=2 if fault == "silent" else 20), 2)
        with pytest.raises(WorkersUnavailable, match="did not start"):
            await pool.start()
        assert pool.pids == frozenset()

    before = open_descriptors()
    asyncio.run(run())
    assert open_descriptors() == before


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def run() -> None:
        pool = WorkerPool(spec("silent"), 2)
        starting = asyncio.create_task(pool.start())
        await until(lambda: len(pool.pids) == 2)
        pids = pool.pids
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert not [pid for pid in pids if exists(pid)]

    before = open_descriptors()
    asyncio.run(run())
    assert open_descriptors() == before


def test_workers_get_no_secrets_and_cannot_write_to_our_stdout(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADVET_STORAGE__SECRET_KEY", "s")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")

    async def scenario(pool: WorkerPool) -> None:
        names = (await pool.call({"do": "environment"}, [], 5))["names"]
        assert not [name for name in names if name.startswith(("ADVET_", "AWS_"))]
        await pool.call({"do": "print"}, [], 5)

    on_pool(scenario)
    assert capfd.readouterr().out == ""


_PARENT = """
import asyncio
from consumer.workers.pool import WorkerPool, WorkerSpec

async def main():
    pool = WorkerPool(WorkerSpec("test", "tests.unit.workers.misbehaving", (), 20.0), 2)
    await pool.start()
    busy = asyncio.create_task(pool.call({"do": "hang"}, [], 60))
    await asyncio.sleep(0)
    print(*pool.pids, flush=True)
    await busy

asyncio.run(main())
"""


def test_workers_end_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(exists(pid) for pid in pids)
        parent.kill()
        parent.wait()
    asyncio.run(until(lambda: not any(exists(pid) for pid in pids)))
