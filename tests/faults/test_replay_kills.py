"""Replays that are killed at random moments, with the consumer at work: every letter once, every verdict once.

`make faults` with `--kills` above its default runs the full size.
"""

import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.conftest import SHORT_KILLS
from tests.letters import of_all_reasons, read_all, send
from tests.rig import DEADLINE_SECONDS, Rig, wait_for

pytestmark = pytest.mark.kafka

FULL_LETTERS, SHORT_LETTERS = 5_000, 600
KILLS = 10


def command(rig: Rig, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "consumer", "dlq", *arguments, "--config", str(rig.config)]


class Operators:
    """Whoever is on duty: starts the run, and goes on with it after each kill."""

    def __init__(self, rig: Rig, rate: int) -> None:
        self._rig = rig
        self._rate = str(rate)
        self._processes = 0

    def known_run(self) -> str | None:
        """The run as the audit log knows it."""
        ran = subprocess.run(command(self._rig, "runs", "--json"), capture_output=True, text=True, check=True)
        runs = [run["run_id"] for run in json.loads(ran.stdout)["runs"] if run["status"] != "done"]
        return str(runs[0]) if runs else None

    def start(self, *, slowly: bool = True) -> tuple[subprocess.Popen, Path]:
        """A process of the run, or of a new one when no record of it was committed."""
        run_id = self.known_run()
        begin = ("resume", run_id) if run_id else ("replay", "--execute", "--reason", "killed again and again")
        log = self._rig.folder / f"operator-{self._processes}.log"
        self._processes += 1
        with log.open("wb") as output:
            arguments = command(self._rig, *begin, *(("--rate", self._rate) if slowly else ()))
            return subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output), log


def test_ten_kills_and_every_letter_goes_exactly_once(
    make_rig: Callable[..., Rig], chance: random.Random, pytestconfig: pytest.Config
) -> None:
    full = pytestconfig.getoption("--kills", SHORT_KILLS) > SHORT_KILLS
    count = FULL_LETTERS if full else SHORT_LETTERS
    rig = make_rig()
    letters = of_all_reasons(rig.settings, count)
    where = send(rig.settings, letters)
    operators = Operators(rig, rate=count // 40)
    with rig.member("fixed", "0") as member:
        kills = 0
        while kills < KILLS:
            process, log = operators.start()
            try:
                while not re.search(r"^run \S+$", log.read_text(), re.MULTILINE):
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.01)
                patience_seconds = chance.uniform(0.0, 2.5)
                deadline = time.monotonic() + patience_seconds
                while process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.005)
            finally:
                ended = process.poll()
                process.kill()
                process.wait()
            assert ended is None, log.read_text()  # the rate leaves work for every kill
            kills += 1
        finish(operators)
        runs = check(rig, letters, where)
        assert not any("already_replayed" in run["refused"] for run in runs), "a resumed run met its own letters again"
        outcomes = rig.collect(2 * count, seconds=2 * DEADLINE_SECONDS, member=member)
        verdicts = Counter(outcome.key for outcome in outcomes if outcome.reason is None)
        assert verdicts == Counter(made.key for made in letters)
        assert member.terminate() == 0


def finish(operators: Operators) -> None:
    if operators.known_run() is not None:
        process, log = operators.start(slowly=False)
        wait_for(lambda: process.poll() is not None, seconds=3 * DEADLINE_SECONDS)
        assert process.returncode == 0, log.read_text()


def check(rig: Rig, letters: list, where: list[str]) -> list[dict]:
    """By a client that is not ours: records, audits and the runs' own numbers; returns the runs."""
    bootstrap, topics = rig.settings.kafka.bootstrap, rig.settings.topics
    sent = read_all(bootstrap, topics.submissions)
    assert Counter(record.key for record in sent) == Counter(made.key for made in letters)
    values = {made.key: made.value for made in letters}
    assert all(record.value == values[record.key] for record in sent)
    audit = read_all(bootstrap, topics.replays)
    entries = {record.key.decode(): json.loads(record.value) for record in audit if record.value is not None}
    runs = [entries.pop(key) for key in list(entries) if key.startswith("run/")]
    assert set(entries) == set(where)
    shas = {place: made.sha256 for place, made in zip(where, letters, strict=True)}
    assert {place: entry["value_sha256"] for place, entry in entries.items()} == shas
    assert {entry["run_id"] for entry in entries.values()} <= {run["run_id"] for run in runs}
    assert sum(run["resubmitted"] for run in runs) == len(letters)
    return runs


def test_two_operators_at_once_send_nothing_twice(make_rig: Callable[..., Rig], chance: random.Random) -> None:
    """Both begin at the same time, more than once; whoever loses says so, and all letters are through in the end."""
    rig = make_rig()
    letters = of_all_reasons(rig.settings, 300)
    where = send(rig.settings, letters)
    operators = Operators(rig, rate=60)
    for _ in range(3):
        begin = ("replay", "--execute", "--reason", "both", "--rate", "60")
        logs = [rig.folder / f"pair-{_}-{number}.log" for number in range(2)]
        pair = []
        for log in logs:
            with log.open("wb") as output:
                pair.append(subprocess.Popen(command(rig, *begin), stdout=output, stderr=output))
            time.sleep(chance.uniform(0, 1.0))  # operators do not start in the same moment
        codes = [process.wait(3 * DEADLINE_SECONDS) for process in pair]
        assert 0 in codes, [log.read_text() for log in logs]
        losers = [log.read_text() for log, code in zip(logs, codes, strict=True) if code]
        assert all("has taken over" in loser for loser in losers), losers
    finish(operators)
    check(rig, letters, where)
