"""Supervision of child processes, on real ones."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from consumer.local.process import Child, ChildFailed, Program, free_ports, kept_cluster_id

LISTEN = (
    "import socket, sys, time; s = socket.socket(); s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); time.sleep(60)"
)
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def program(folder: Path, code: str, *args: str) -> Program:
    """A Python one-liner as a program."""
    return Program("probe", (sys.executable, "-c", code, *args), folder)


async def _up(child: Child) -> bool:
    return "up" in child.program.log.read_text()


def gone(pid: int) -> bool:
    """Whether no live process has this id (a zombie counts as gone)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def test_child_that_dies_while_starting_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """The cause is in the error, so nobody has to look for a file in a removed folder."""

    async def body() -> None:
        child = Child.spawn(program(tmp_path, "import sys; print('disk on fire', file=sys.stderr); sys.exit(7)"))

        async def never() -> bool:
            return False

        with pytest.raises(ChildFailed, match=r"(?s)probe exited with status 7.*disk on fire"):
            await child.wait_ready(never, 10)

    asyncio.run(body())


def test_child_that_is_never_ready_is_reported_at_the_deadline(tmp_path: Path) -> None:
    """The deadline holds although the child lives."""

    async def body() -> None:
        child = Child.spawn(program(tmp_path, STUBBORN))

        async def never() -> bool:
            return False

        try:
            with pytest.raises(ChildFailed, match=r"not ready after 0\.3 s"):
                await child.wait_ready(never, 0.3)
        finally:
            child.kill()

    asyncio.run(body())


def test_a_question_that_gets_no_answer_ends_at_the_deadline(tmp_path: Path) -> None:
    """A child that accepts connections and says nothing does not hold up its parent."""

    async def body() -> None:
        child = Child.spawn(program(tmp_path, STUBBORN))
        try:
            with pytest.raises(ChildFailed, match=r"not ready after 0\.3 s"):
                await asyncio.wait_for(child.wait_ready(unanswered, 0.3), 10)
        finally:
            child.kill()

    async def unanswered() -> bool:
        await asyncio.get_running_loop().create_future()
        return True

    asyncio.run(body())


def test_stop_kills_what_ignores_sigterm(tmp_path: Path) -> None:
    """SIGTERM first, SIGKILL after the grace time; a second stop does nothing."""

    async def body() -> None:
        child = Child.spawn(program(tmp_path, STUBBORN))
        await child.wait_ready(lambda: _up(child), 10)
        await child.stop(0.2)
        assert not child.alive
        assert await child.wait() == -signal.SIGKILL
        await child.stop(0.2)

    asyncio.run(body())


def test_child_outlives_the_event_loop_that_started_it(tmp_path: Path) -> None:
    """A session fixture starts it under one loop and stops it under another."""
    child = Child.spawn(program(tmp_path, STUBBORN))
    asyncio.run(child.wait_ready(lambda: _up(child), 10))
    assert child.alive
    child.kill()
    assert not child.alive


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    """kill -9 of the parent runs no clean-up code, and still leaves no orphan."""
    code = (
        "import sys, time; from pathlib import Path; from consumer.local.process import Child, Program\n"
        "child = Child.spawn(Program('probe', (sys.executable, '-c', sys.argv[2]), Path(sys.argv[1])))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), STUBBORN], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        handle = os.pidfd_open(child)
        parent.kill()
        parent.wait()
    try:
        asyncio.run(_ended(handle))
    finally:
        os.close(handle)
    assert gone(child)


async def _ended(handle: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 10)
    finally:
        loop.remove_reader(handle)


def test_environment_is_what_the_program_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the user's shell do not reach the local processes."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from the shell")

    async def body() -> int:
        code = "import os, sys; sys.exit(('AWS_SECRET_ACCESS_KEY' in os.environ) * 1 + (os.environ['X'] != '1') * 2)"
        child = Child.spawn(Program("probe", (sys.executable, "-c", code), tmp_path, {"X": "1"}))
        return await child.wait()

    assert asyncio.run(body()) == 0


def test_free_ports_are_free_and_different() -> None:
    """Fifty at once, each bindable, with a free neighbour where asked for."""
    import socket

    ports = free_ports(50, beside=10_000)
    assert len(set(ports)) == 50
    for port in ports:
        for wanted in (port, port + 10_000):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", wanted))


def test_cluster_id_is_kept_and_is_never_taken_for_an_option(tmp_path: Path) -> None:
    """Of random ids one in 64 begins with a dash, which the brokers' command lines refuse."""
    ids = [kept_cluster_id(tmp_path / str(number)) for number in range(500)]
    assert len(set(ids)) == 500
    assert not any(text.startswith("-") for text in ids)
    assert {len(text) for text in ids} == {22}
    assert kept_cluster_id(tmp_path / "7") == ids[7]
