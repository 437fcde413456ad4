"""Runs that are stopped, resumed, overtaken and cancelled."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.letters import of_all_reasons, send
from tests.pipeline.test_replay import answer, audits, dlq, replay, resubmitted
from tests.rig import Rig, wait_for

pytestmark = pytest.mark.kafka

LETTERS = 120


@pytest.fixture
def rig(tmp_path, apache_kafka, weed_store):
    rig = Rig.make(tmp_path, apache_kafka.bootstrap, weed_store, partitions=2, delivery="exactly_once")
    send(rig.settings, of_all_reasons(rig.settings, LETTERS))
    return rig


class Operator:
    """A replay in a process of its own."""

    def __init__(self, rig: Rig, *arguments: str) -> None:
        self.log = rig.folder / f"operator-{len(list(rig.folder.glob('operator-*')))}.log"
        command = [sys.executable, "-m", "consumer", "dlq", *arguments, "--config", str(rig.config)]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def run_id(self) -> str:
        """Of the run that it has begun."""
        return str(wait_for(lambda: re.search(r"^run (\S+)$", self.output, re.MULTILINE))[1])


@contextmanager
def operator(rig: Rig, *arguments: str):
    """Killed at the end if need be."""
    started = Operator(rig, *arguments)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
        started.process.wait()


def slow(rig: Rig):
    return operator(rig, "replay", "--execute", "--reason", "slowly", "--rate", "10")


def check_each_once(rig: Rig) -> None:
    keys = [record.key for record in resubmitted(rig)]
    assert sorted(keys) == sorted(f"s-{number}".encode() for number in range(LETTERS))
    assert len(audits(rig)) == LETTERS


def test_sigterm_finishes_the_batch_and_resume_does_the_rest(rig):
    with slow(rig) as first:
        run_id = first.run_id()
        wait_for(lambda: resubmitted(rig))
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(60) == 130, first.output
        assert f"dlq resume {run_id}" in first.output
    [paused] = answer(rig, "runs")["runs"]
    assert (paused["status"], paused["resubmitted"]) == ("paused", len(resubmitted(rig)))
    assert 0 < paused["resubmitted"] < LETTERS
    done = answer(rig, "resume", run_id)["run"]
    assert (done["status"], done["resubmitted"], done["refused"]) == ("done", LETTERS, {})
    check_each_once(rig)
    assert "is done" in dlq(rig, "resume", run_id, status=1).stderr


def test_a_killed_run_is_resumed_without_sending_anything_twice(rig):
    with slow(rig) as first:
        run_id = first.run_id()
        wait_for(lambda: len(resubmitted(rig)) > 10)
        first.process.kill()
    done = answer(rig, "resume", run_id)["run"]
    assert (done["status"], done["resubmitted"], done["refused"]) == ("done", LETTERS, {})
    check_each_once(rig)


def test_the_newer_of_two_runs_wins_and_the_older_is_told(rig):
    with slow(rig) as older:
        run_id = older.run_id()
        wait_for(lambda: resubmitted(rig))
        newer = replay(rig)
        assert older.process.wait(60) == 1, older.output
        assert newer["run_id"] in older.output
        assert "has taken over" in older.output
        assert "Nothing was sent twice" in " ".join(older.output.split())
    check_each_once(rig)
    runs = {run["run_id"]: run for run in answer(rig, "runs")["runs"]}
    assert sum(run["resubmitted"] for run in runs.values()) == LETTERS
    assert runs[run_id]["status"] == "fenced"
    assert answer(rig, "resume", run_id)["run"]["status"] == "done"
    check_each_once(rig)


def test_cancelling_stops_the_process_that_carries_it_out(rig):
    with slow(rig) as first:
        run_id = first.run_id()
        wait_for(lambda: resubmitted(rig))
        cancelled = answer(rig, "cancel", run_id, "--reason", "wrong letters")
        sent = len(resubmitted(rig))
        assert first.process.wait(60) == 1, first.output
        assert "wrong letters" in first.output
    assert (cancelled["status"], cancelled["resubmitted"]) == ("cancelled", sent)
    assert len(resubmitted(rig)) == sent < LETTERS
    assert "is cancelled" in dlq(rig, "resume", run_id, status=1).stderr
    assert replay(rig)["resubmitted"] == LETTERS - sent
    check_each_once(rig)
